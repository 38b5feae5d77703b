package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/triggers-api/triggers/store"
)

// Codes that are told apart (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	readOnly             = "25006"
	idleInTransaction    = "25P03"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedColumn      = "42703"
	undefinedTable       = "42P01"
	lockNotAvailable     = "55P03"
	databaseDropped      = "3D000"
	changedResult        = "0A000" // of a prepared statement, after a migration
	unknownStatement     = "26000"
)

// translate turns what the driver returned into the store's errors, by code. Of a server's error it keeps the code and
// the message, never the detail, which quotes rows.
func translate(err error) error {
	failure, coded := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("postgres: %w", store.ErrNotFound)
	case coded:
		return translateCode(failure)
	case disconnected(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

func translateCode(failure *pgconn.PgError) error {
	switch failure.Code {
	case uniqueViolation:
		return fmt.Errorf("postgres: %s: %w", failure.ConstraintName, store.ErrExists)
	case foreignKeyViolation:
		return fmt.Errorf("postgres: %s: %w", failure.ConstraintName, store.ErrNotFound)
	case undefinedTable, undefinedColumn:
		return fmt.Errorf("postgres: %w: %w", store.ErrSchema, failure)
	case readOnly, idleInTransaction, lockNotAvailable, databaseDropped, changedResult, unknownStatement:
		return unavailable(failure)
	}
	switch class(failure) {
	case "22": // the message may quote what was sent
		return fmt.Errorf("postgres: data exception (SQLSTATE %s)", failure.Code)
	case "08", "28", "40", "53", "57", "58", "F0", "XX": // connection, login, conflict, resources, operator, system, internal
		return unavailable(failure)
	}
	return fmt.Errorf("postgres: %w", failure)
}

// class is the first part of the code, which says what kind of failure it is.
func class(failure *pgconn.PgError) string { return failure.Code[:min(2, len(failure.Code))] }

// disconnected tells whether the server was not reached, or the connection to it broke.
func disconnected(err error) bool {
	_, network := errors.AsType[net.Error](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	return network || connect || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// stale tells whether a connection turned out to be of no use any more, so that a fresh one may do better: it broke, the
// server ended it, or its server is no longer the primary.
func stale(err error) bool {
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	if connect || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.SeverityUnlocalized == "FATAL" || failure.Code == readOnly
	}
	return disconnected(err)
}

// retryable tells whether nothing was done for certain and the same may work when tried again: nothing was sent, or the
// server took it back.
func retryable(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return takenBack(failure)
	}
	// Of a connection that broke while a batch was being answered, pgconn says both that it is closed and that nothing was
	// sent.
	return pgconn.SafeToRetry(err) && !errors.Is(err, pgconn.ErrConnClosed) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// takenBack tells whether the server took a transaction back because of others, or because this process was held up in the
// middle of it.
func takenBack(failure *pgconn.PgError) bool {
	return failure.Code == serializationFailure || failure.Code == deadlockDetected || failure.Code == idleInTransaction
}

// refused tells whether the server answered to a commit, and what was sent with it, with an error instead: nothing was
// committed then, for certain. A server that ends the session says so by an error too, also after the commit.
func refused(results []*pgconn.Result, err error) bool {
	failure, answered := errors.AsType[*pgconn.PgError](err)
	return answered && (takenBack(failure) || failure.SeverityUnlocalized == "ERROR") && !slices.ContainsFunc(results, committed)
}

func committed(result *pgconn.Result) bool { return result.CommandTag.String() == "COMMIT" }

// misconfigured tells whether reaching the server failed for a reason that time alone does not mend.
func misconfigured(err error) bool {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (class(failure) == "28" || failure.Code == databaseDropped)
}

func unavailable(cause error) error {
	return fmt.Errorf("postgres: %w: %w", store.ErrUnavailable, cause)
}

func closed() error { return fmt.Errorf("postgres: %w", store.ErrClosed) }
