package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// Schemathesis makes requests from the contract, good and bad, and judges the answers by it, with all its checks. What
// it is told beyond the contract stands, with reasons, in tests/schemathesis.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	schemathesis := harness.PythonTool(t, "schemathesis==4.32.5", "schemathesis")
	const adminKey = "operator-of-the-test"
	server := harness.Start(t, harness.Options{Env: []string{"ADMIN_API_KEY=" + adminKey}})
	rules := filepath.Join(harness.Root(), "tests", "schemathesis")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, schemathesis, "--config-file", filepath.Join(rules, "schemathesis.toml"),
		"run", filepath.Join(harness.Root(), "openapi.yaml"), "--url", server.URL,
		"--checks", "all", "--max-examples", "50", "--seed", "1", "--no-color")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=hooks", "PYTHONPATH="+rules, "TENANT_KEY="+harness.Key, "ADMIN_KEY="+adminKey)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range server.LogLines() {
		if status, ok := line["status"].(float64); ok && status >= 500 {
			t.Errorf("%v", line)
		}
	}
}
