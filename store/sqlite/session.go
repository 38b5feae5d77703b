package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/triggers-api/triggers/store"
)

// session is the writer's connection with its prepared statements.
type session struct {
	ids    *store.IDSource
	erased bool // whether the log may still hold payloads that were erased

	db    *sql.DB
	conn  *sql.Conn
	stmts []*sql.Stmt

	begin, commit               *sql.Stmt
	insertEvent                 *sql.Stmt
	findKey, insertKey, dropKey *sql.Stmt
	acknowledge, erase, status  *sql.Stmt
	heartbeat, version          *sql.Stmt
	checkpoint, logState        *sql.Stmt
}

func openSession(path string, wait time.Duration, ids *store.IDSource) (_ *session, err error) {
	// Statements run under no deadline: a group is many callers', and one of them leaving must not undo the others.
	ctx := context.Background()
	s := &session{ids: ids}
	if s.db, err = open(path, 1, wait, writing...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		stmt **sql.Stmt
		sql  string
	}{
		{&s.begin, `BEGIN IMMEDIATE`},
		{&s.commit, `COMMIT`},
		{&s.insertEvent, `INSERT INTO events (id, tenant, source, type, topic, idempotency_key, status, payload)
			VALUES (?, ?, ?, ?, ?, ?, 0, ?)`},
		{&s.findKey, `SELECT event_id, fingerprint, expires_at FROM idempotency_keys WHERE tenant = ? AND key = ?`},
		{&s.insertKey, `INSERT INTO idempotency_keys (tenant, key, event_id, fingerprint, expires_at)
			VALUES (?, ?, ?, ?, ?)`},
		{&s.dropKey, `DELETE FROM idempotency_keys WHERE tenant = ? AND key = ?`},
		{&s.acknowledge, `UPDATE events SET status = 1, acknowledged_at = ? WHERE tenant = ? AND status = 0 AND id = ?`},
		{&s.erase, `UPDATE events SET status = 2, deleted_at = ?, payload = NULL, idempotency_key = NULL
			WHERE tenant = ? AND status IN (0, 1) AND id = ?`},
		{&s.status, `SELECT status FROM events WHERE tenant = ? AND status IN (0, 1, 2) AND id = ?`},
		{&s.heartbeat, `INSERT INTO heartbeat (id, checked_at) VALUES (1, ?)
			ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at`},
		{&s.version, schemaVersion},
		{&s.checkpoint, `PRAGMA wal_checkpoint(PASSIVE)`},
		{&s.logState, `PRAGMA wal_checkpoint(NOOP)`},
	} {
		if *p.stmt, err = s.conn.PrepareContext(ctx, p.sql); err != nil {
			return nil, err
		}
		s.stmts = append(s.stmts, *p.stmt)
	}
	return s, nil
}

// exec runs a statement that is too rare to be kept prepared, and returns how many rows it changed.
func (s *session) exec(query string, args ...any) (changed int64, err error) {
	result, err := s.conn.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// queryRow runs a query that is too rare to be kept prepared.
func (s *session) queryRow(query string, args ...any) *sql.Row {
	return s.conn.QueryRowContext(context.Background(), query, args...)
}

// repeat runs one statement for each of the rows of arguments, and returns how many rows it changed in all.
func (s *session) repeat(query string, rows iter.Seq[[]any]) (changed int64, err error) {
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return 0, err
	}
	defer stmt.Close() //nolint:errcheck // nothing is pending
	for args := range rows {
		result, err := stmt.Exec(args...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// keepNewest has all further ids follow the given one, also after a restart, for when the last row of events does not tell.
func (s *session) keepNewest(id store.EventID) error {
	s.ids.SkipTo(id)
	_, err := s.exec(`INSERT INTO newest_event (id, event_id) VALUES (1, ?)
		ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id WHERE excluded.event_id > event_id`, id[:])
	return err
}

// logged returns how many pages the log holds that are not folded into the database file yet.
func (s *session) logged() (pages int, err error) {
	var busy, all, folded int
	err = s.logState.QueryRow().Scan(&busy, &all, &folded)
	return all - folded, err
}

// close gives up the connection with everything on it; an open transaction is rolled back.
func (s *session) close() error {
	// SQLite keeps a connection alive, locks and log included, as long as it has a statement.
	err := closeAll(slices.Values(s.stmts))
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	return errors.Join(err, s.db.Close())
}

func closeAll(stmts iter.Seq[*sql.Stmt]) (err error) {
	for stmt := range stmts {
		err = errors.Join(err, stmt.Close())
	}
	return err
}
