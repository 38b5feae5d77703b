package postgres

import (
	"bytes"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/triggers-api/triggers/store"
)

// A transition is two statements in one transaction and one round trip. The first locks the rows, so that the second
// sees them as nobody else changes them any more. Rows are looked up one by one, and then named by where they are: for a
// join, or an array of ids, statistics of a nearly empty table make the planner read all of a tenant's events.
const (
	askedEvents = `FROM unnest($2::uuid[]) AS asked (id) CROSS JOIN LATERAL (
		SELECT ctid, id, status FROM events WHERE tenant = $1 AND id = asked.id `

	lockEvents = `SELECT e.id, e.status ` + askedEvents + `FOR UPDATE) AS e`

	acknowledgeEvents = `UPDATE events SET status = 1, acknowledged_at = $3
		WHERE ctid = ANY (ARRAY(SELECT e.ctid ` + askedEvents + `OFFSET 0) AS e WHERE e.status = 0))`
	deleteEvents = `UPDATE events SET status = 2, deleted_at = $3, payload = NULL, idempotency_key = NULL
		WHERE ctid = ANY (ARRAY(SELECT e.ctid ` + askedEvents + `OFFSET 0) AS e WHERE e.status < 2))`
)

// Acknowledge implements store.Events.
func (s *Store) Acknowledge(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, acknowledgeEvents, acknowledged, tenantID, ids)
}

// Delete implements store.Events.
func (s *Store) Delete(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, deleteEvents, deleted, tenantID, ids)
}

func (s *Store) transition(ctx context.Context, query string, to int16, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	// In one order everywhere, so that calls for the same events cannot wait for each other in a circle.
	asked := make([][16]byte, len(ids))
	for i, id := range ids {
		asked[i] = id
	}
	slices.SortFunc(asked, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	asked = slices.Compact(asked)
	found := make(map[store.EventID]int16, len(ids))
	err := s.repeatable(ctx, func(ctx context.Context) error {
		clear(found)
		var batch pgx.Batch
		batch.Queue(lockEvents, tenantID, asked).Query(func(rows pgx.Rows) error {
			var id [16]byte
			var status int16
			_, err := pgx.ForEachRow(rows, []any{&id, &status}, func() error {
				found[id] = status
				return nil
			})
			return err
		})
		batch.Queue(query, tenantID, asked, store.Now())
		return s.pool.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return nil, err
	}
	transitions := make([]store.Transition, len(ids))
	for i, id := range ids {
		status, ok := found[id]
		switch {
		case !ok:
			transitions[i] = store.Transition{ID: id, Err: store.ErrNotFound}
		case status > to:
			transitions[i] = store.Transition{ID: id, Status: store.StatusOf(int(status)), Err: store.ErrDeleted}
		default:
			transitions[i] = store.Transition{ID: id, Status: store.StatusOf(int(to))}
		}
	}
	return transitions, nil
}
