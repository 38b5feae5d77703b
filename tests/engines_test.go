package tests

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// onEveryEngine are the tests of what the API and the crash test promise, whatever the engine. The rest is about SQLite's
// file, or about what no engine has a part in (configuration, documentation, logs).
var onEveryEngine = []string{
	"TestAcknowledgeAndDelete", "TestAdmin.*", "TestBatch", "TestBulkAcknowledge", "TestCopy.*", "TestCreateEvent",
	"TestErase.*", "TestExport.*", "TestGetEvent", "TestHealth", "TestIdempotency", "TestInbox", "TestInboxCursorStaysValid",
	"TestInboxLargePages", "TestKeys.*", "TestCLI.*", "TestNothingLostWhenKilled", "TestRateLimit", "TestSizeLimit", "TestStopUnderLoad",
	"TestTenants.*",
}

// The tests run once more with servers on PostgreSQL.
func TestOnPostgres(t *testing.T) { again(t, "postgres") }

// The tests run once more with servers on DynamoDB.
func TestOnDynamoDB(t *testing.T) { again(t, "dynamodb") }

// again runs this test binary with another engine.
func again(t *testing.T, engine string) {
	t.Helper()
	t.Parallel()
	if os.Getenv("TEST_ENGINE") != "" {
		return // this is the other run
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.timeout=15m", "-test.run=^("+strings.Join(onEveryEngine, "|")+")$")
	cmd.Env = append(os.Environ(), "TEST_ENGINE="+engine)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "no tests to run") {
		t.Fatalf("%s", out)
	}
}
