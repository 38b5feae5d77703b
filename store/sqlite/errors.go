package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/triggers-api/triggers/store"
)

// translate turns what the driver returned into the store's errors, by result code (https://sqlite.org/rescode.html).
func translate(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	var failure *sqlite.Error
	switch {
	case errors.As(err, &failure):
		switch failure.Code() & 0xff { // the primary code; the higher bits say more of the same
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
			sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM:
			return unavailable(err)
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, sql.ErrConnDone):
		return unavailable(err)
	}
	return fmt.Errorf("sqlite: %w", err)
}

func unavailable(cause error) error {
	return fmt.Errorf("sqlite: %w: %w", store.ErrUnavailable, cause)
}

func closed() error { return fmt.Errorf("sqlite: %w", store.ErrClosed) }
