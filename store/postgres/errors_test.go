package postgres

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Only an error in place of a commit says that there was none.
func TestRefused(t *testing.T) {
	t.Parallel()
	failure := func(severity, code string) error {
		return fmt.Errorf("wrapped: %w", &pgconn.PgError{SeverityUnlocalized: severity, Code: code})
	}
	done := &pgconn.Result{CommandTag: pgconn.NewCommandTag("COMMIT")}
	inserted := &pgconn.Result{CommandTag: pgconn.NewCommandTag("INSERT 0 1")}
	for _, c := range []struct {
		results []*pgconn.Result
		err     error
		want    bool
	}{
		{nil, failure("ERROR", "23505"), true},
		{[]*pgconn.Result{inserted}, failure("ERROR", "22021"), true},
		{[]*pgconn.Result{inserted}, failure("FATAL", idleInTransaction), true},
		{[]*pgconn.Result{inserted}, failure("FATAL", "57P01"), false},
		{[]*pgconn.Result{inserted}, failure("PANIC", "XX000"), false},
		{[]*pgconn.Result{inserted, done}, failure("ERROR", "57014"), false},
		{[]*pgconn.Result{inserted}, io.ErrUnexpectedEOF, false},
		{[]*pgconn.Result{inserted}, errors.New("unknown message type"), false},
	} {
		if got := refused(c.results, c.err); got != c.want {
			t.Errorf("%v %v: %v", c.results, c.err, got)
		}
	}
}

// What pgconn says of a connection that broke while a batch was being answered: closed, and safe to retry.
func TestRetryableErrClosed(t *testing.T) {
	t.Parallel()
	if broken := fmt.Errorf("%w: %w", pgconn.ErrConnClosed, safeError{}); retryable(broken) || !retryable(safeError{}) {
		t.Errorf("%v: %v, %v", broken, retryable(broken), retryable(safeError{}))
	}
}

type safeError struct{}

func (safeError) Error() string     { return "not sent" }
func (safeError) SafeToRetry() bool { return true }
