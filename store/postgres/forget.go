package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/triggers-api/triggers/store"
)

const (
	// lookRows is how many of a tenant's idempotency keys one step of Forget looks at.
	lookRows = 10_000
	// looksKept is how many looks that go on are remembered.
	looksKept = 1000
)

// No index leads to a tenant's idempotency keys by the age of their events, as it would cost each append. So Forget looks
// at all of them, a step at a time, without any lock, and removes what it found in the writers' turn, because they replace
// keys in an order of their own. Keys may have been used anew in between.
const (
	lookForKeys = `SELECT count(*), max(key), array_agg(key) FILTER (WHERE event_id < $3) FROM (
		SELECT key, event_id FROM idempotency_keys WHERE tenant = $1 AND key > $2 ORDER BY key LIMIT $4) AS looked`

	forgetKeys = `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT k.ctid FROM unnest($2::text[]) AS asked (key) CROSS JOIN LATERAL (
			SELECT ctid, event_id FROM idempotency_keys WHERE tenant = $1 AND key = asked.key FOR UPDATE) AS k
		WHERE k.event_id < $3))`
)

// look is one tenant's keys being looked at for events before the bound.
type look struct {
	tenant string
	bound  store.EventID
}

// Forget implements store.Eraser. Each call goes on where the one before it ended, so that keys that stay are looked at
// once however many there are; another instance, or this one after a restart, begins anew.
func (s *Store) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error) {
	this := look{tenantID, store.FirstEventID(createdBefore)}
	after, _ := s.looks.Get(this)
	var looked int
	var last *string
	var old []string
	err = s.repeatable(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, lookForKeys, this.tenant, after, this.bound[:], lookRows).Scan(&looked, &last, &old)
	})
	if err != nil {
		return false, err
	}
	for chunk := range slices.Chunk(old, purgeRows) {
		err := s.repeatable(ctx, func(ctx context.Context) error {
			var batch pgx.Batch
			batch.Queue(lockAppending)
			batch.Queue(forgetKeys, this.tenant, chunk, this.bound[:])
			return s.pool.SendBatch(ctx, &batch).Close()
		})
		if err != nil {
			return false, err
		}
	}
	if looked < lookRows {
		s.looks.Remove(this)
		return false, nil
	}
	s.looks.Add(this, *last)
	return true, nil
}
