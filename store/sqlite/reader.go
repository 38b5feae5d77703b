package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/triggers-api/triggers/store"
)

// reader reads on connections of its own; each statement sees the snapshot of its start.
type reader struct {
	db *sql.DB

	mu     sync.RWMutex
	stmts  map[string]*sql.Stmt // by SQL text, of which there are few
	closed bool
}

func openReader(path string, connections int) (*reader, error) {
	db, err := open(path, connections, lockedWait, "query_only(1)")
	if err != nil {
		return nil, err
	}
	return &reader{db: db, stmts: map[string]*sql.Stmt{}}, nil
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	err := errors.Join(closeAll(maps.Values(r.stmts)), r.db.Close())
	clear(r.stmts)
	return err
}

// failed translates an error of a read.
func (r *reader) failed(err error) error {
	if err == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return closed()
	}
	return translate(err)
}

func (r *reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.RLock()
	stmt := r.stmts[query]
	r.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	// Not under the lock, because it may wait for a connection.
	stmt, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(closed(), stmt.Close())
	}
	if first := r.stmts[query]; first != nil {
		return first, stmt.Close()
	}
	r.stmts[query] = stmt
	return stmt, nil
}

// newestID returns the id that all further ones have to follow: that of the event stored last, or what was kept since. It is
// the zero id when nothing was ever stored.
func (r *reader) newestID(ctx context.Context) (store.EventID, error) {
	var id []byte
	err := r.db.QueryRowContext(ctx, `SELECT max(coalesce((SELECT id FROM events ORDER BY seq DESC LIMIT 1), zeroblob(16)),
		coalesce((SELECT event_id FROM newest_event), zeroblob(16)))`).Scan(&id)
	if err != nil {
		return store.EventID{}, fmt.Errorf("sqlite: read the newest id: %w", err)
	}
	return store.EventID(id), nil
}

// scanner is a row that is to be read: *sql.Rows or *sql.Row.
type scanner interface{ Scan(dest ...any) error }

// readAll runs a query and reads all of its rows.
func readAll[T any](ctx context.Context, r *reader, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	stmt, err := r.prepare(ctx, query)
	if err != nil {
		return nil, r.failed(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, r.failed(err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, r.failed(err)
		}
		all = append(all, one)
	}
	return all, r.failed(rows.Err())
}

// readOne runs a query for one row. It returns ErrNotFound, with the words for what was looked for, when there is none.
func readOne[T any](ctx context.Context, r *reader, what string, scan func(scanner) (T, error), query string, args ...any) (one T, err error) {
	all, err := readAll(ctx, r, scan, query, args...)
	if err != nil {
		return one, err
	}
	if len(all) == 0 {
		return one, fmt.Errorf("sqlite: %s: %w", what, store.ErrNotFound)
	}
	return all[0], nil
}

const eventColumns = `id, source, type, topic, idempotency_key, status, acknowledged_at, deleted_at, payload`

// Event implements store.Events.
func (s *Store) Event(ctx context.Context, tenantID string, id store.EventID) (store.Event, error) {
	return readOne(ctx, s.reader, "event "+id.String(), scanEvent, `SELECT `+eventColumns+` FROM events
		WHERE tenant = ? AND status IN (0, 1, 2) AND id = ?`, tenantID, id[:])
}

// List implements store.Events.
func (s *Store) List(ctx context.Context, p store.ListParams) (store.Page, error) {
	query, args := listQuery(p)
	stmt, err := s.reader.prepare(ctx, query)
	if err != nil {
		return store.Page{}, s.reader.failed(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return store.Page{}, s.reader.failed(err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	page := store.Page{Events: make([]store.Event, 0, min(p.Limit, 64))}
	bytes := 0
	for rows.Next() {
		if len(page.Events) == p.Limit || (p.MaxBytes > 0 && bytes >= p.MaxBytes) {
			page.More = true
			break
		}
		e, err := scanEvent(rows)
		if err != nil {
			return store.Page{}, s.reader.failed(err)
		}
		bytes += len(e.Payload)
		page.Events = append(page.Events, e)
	}
	if err := rows.Err(); err != nil {
		return store.Page{}, s.reader.failed(err)
	}
	return page, nil
}

// listQuery asks for one event more than the page holds, which tells whether there are more.
func listQuery(p store.ListParams) (string, []any) {
	// Times are bounds on ids, because an id begins with its time.
	after := p.After.ID
	lower := " AND id > ?"
	if since := store.FirstEventID(p.Since); !p.Since.IsZero() && since.Compare(after) > 0 {
		after, lower = since, " AND id >= ?"
	}
	var query strings.Builder
	query.WriteString(`SELECT ` + eventColumns + ` FROM events WHERE tenant = ? AND status = ?` + lower)
	args := []any{p.TenantID, p.Status.Number(), after[:]}
	if !p.Until.IsZero() {
		until := store.FirstEventID(p.Until)
		query.WriteString(` AND id < ?`)
		args = append(args, until[:])
	}
	for _, f := range [...]struct{ column, value string }{{"type", p.Type}, {"topic", p.Topic}, {"source", p.Source}} {
		if f.value != "" {
			query.WriteString(` AND ` + f.column + ` = ?`)
			args = append(args, f.value)
		}
	}
	query.WriteString(` ORDER BY id LIMIT ?`)
	return query.String(), append(args, p.Limit+1)
}

func scanEvent(row scanner) (store.Event, error) {
	var (
		e                        store.Event
		id                       sql.RawBytes
		source, kind, topic, key sql.NullString
		status                   int
		acknowledged, deleted    sql.NullInt64
		payload                  []byte
	)
	err := row.Scan(&id, &source, &kind, &topic, &key, &status, &acknowledged, &deleted, &payload)
	if err != nil {
		return e, err
	}
	e.ID = store.EventID(id)
	e.Source, e.Type, e.Topic, e.IdempotencyKey = source.String, kind.String, topic.String, key.String
	e.Status = store.StatusOf(status)
	e.AcknowledgedAt, e.DeletedAt = milliTime(acknowledged), milliTime(deleted)
	e.Payload = payload
	return e, nil
}

func scanText(row scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

func milliTime(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}
