package harness

import (
	"fmt"
	"os"
	"testing"
)

// Tests runs the tests of a binary and then stops and removes the servers that they shared, before goleak looks for what
// is left:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(harness.Tests{M: m}) }
type Tests struct{ M *testing.M }

// Run implements goleak.TestingM.
func (t Tests) Run() int {
	code := t.M.Run()
	stopSharedAWS()
	if err := stopSharedPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
