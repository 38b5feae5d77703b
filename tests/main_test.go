package tests

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(harness.Tests{M: m}) }

// repeat is s, n times over, separated by commas.
func repeat(s string, n int) string {
	return strings.TrimSuffix(strings.Repeat(s+",", n), ",")
}

// padded is an event's body of exactly n bytes.
func padded(n int) string {
	const empty = `{"payload":{"x":""}}`
	return fmt.Sprintf(`{"payload":{"x":"%s"}}`, strings.Repeat("x", n-len(empty)))
}
