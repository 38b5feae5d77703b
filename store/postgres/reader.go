package postgres

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/triggers-api/triggers/store"
)

const (
	pending      = 0
	acknowledged = 1
	deleted      = 2
)

const eventNames = `id, source, type, topic, idempotency_key, status, acknowledged_at, deleted_at`

// Event implements store.Events.
func (s *Store) Event(ctx context.Context, tenantID string, id store.EventID) (e store.Event, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		return scanEvent(s.pool.QueryRow(ctx, `SELECT `+eventNames+`, payload FROM events WHERE tenant = $1 AND id = $2`,
			tenantID, id[:]), &e)
	})
	if err != nil {
		return store.Event{}, err
	}
	return e, nil
}

// List implements store.Events.
func (s *Store) List(ctx context.Context, p store.ListParams) (page store.Page, err error) {
	query, args := listQuery(p)
	err = s.repeatable(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		page, err = readPage(rows, p)
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

func readPage(rows pgx.Rows, p store.ListParams) (store.Page, error) {
	defer rows.Close()
	page := store.Page{Events: make([]store.Event, 0, min(p.Limit, 64))}
	bytes := 0
	for rows.Next() {
		if len(page.Events) == p.Limit || (p.MaxBytes > 0 && bytes >= p.MaxBytes) {
			page.More = true
			break
		}
		var e store.Event
		if err := scanEvent(rows, &e); err != nil {
			return store.Page{}, err
		}
		bytes += len(e.Payload)
		page.Events = append(page.Events, e)
	}
	rows.Close()
	return page, rows.Err()
}

// listQuery asks for one event more than the page holds, which tells whether there are more. Events after the one that
// fills the page with bytes come without payloads, because the server sends all rows that were asked for.
func listQuery(p store.ListParams) (string, []any) {
	// Times are bounds on ids, because an id begins with its time.
	after := p.After.ID
	lower := " AND id > $3"
	if since := store.FirstEventID(p.Since); !p.Since.IsZero() && since.Compare(after) > 0 {
		after, lower = since, " AND id >= $3"
	}
	maxBytes := p.MaxBytes
	if maxBytes <= 0 {
		maxBytes = math.MaxInt64
	}
	args := []any{maxBytes, p.TenantID, after[:]}
	param := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	var query strings.Builder
	// The status stands in the text, so that the prepared statement can use the index of that status.
	query.WriteString(`SELECT ` + eventNames + `, CASE WHEN earlier < $1 THEN payload END FROM (
		SELECT *, sum(coalesce(octet_length(payload), 0)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)
			- coalesce(octet_length(payload), 0) AS earlier
		FROM (SELECT * FROM events WHERE tenant = $2 AND status = ` + strconv.Itoa(p.Status.Number()) + lower)
	if !p.Until.IsZero() {
		until := store.FirstEventID(p.Until)
		query.WriteString(` AND id < ` + param(until[:]))
	}
	for _, f := range [...]struct{ column, value string }{{"type", p.Type}, {"topic", p.Topic}, {"source", p.Source}} {
		if f.value != "" {
			query.WriteString(` AND ` + f.column + ` = ` + param(f.value))
		}
	}
	query.WriteString(` ORDER BY id LIMIT ` + param(p.Limit+1) + `) AS found) AS page ORDER BY id`)
	return query.String(), args
}

func scanEvent(row pgx.Row, e *store.Event) error {
	var status int16
	err := row.Scan((*[16]byte)(&e.ID), (*zeronull.Text)(&e.Source), (*zeronull.Text)(&e.Type), (*zeronull.Text)(&e.Topic),
		(*zeronull.Text)(&e.IdempotencyKey), &status, (*zeronull.Timestamptz)(&e.AcknowledgedAt),
		(*zeronull.Timestamptz)(&e.DeletedAt), (*[]byte)(&e.Payload))
	if err != nil {
		return err
	}
	e.Status = store.StatusOf(int(status))
	e.AcknowledgedAt, e.DeletedAt = inUTC(e.AcknowledgedAt), inUTC(e.DeletedAt)
	return nil
}

// inUTC is the time in UTC, where zero stays zero.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
