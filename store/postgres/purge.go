package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/triggers-api/triggers/store"
)

// purgeRows bounds one step.
const purgeRows = 500

// Rows are named by where they are, see the transitions.
const (
	oldestEvents = `FROM events WHERE tenant = $1 AND id < $2 ORDER BY id LIMIT $3`
	lockOldest   = `SELECT id ` + oldestEvents + ` FOR UPDATE`
	purgeEvents  = `DELETE FROM events WHERE ctid = ANY (ARRAY(SELECT ctid ` + oldestEvents + `))`

	forgetKeys = `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency_keys WHERE tenant = $1 AND event_id < $2 ORDER BY key LIMIT $3 FOR UPDATE))`

	// A key that somebody holds is being replaced, or removed by another instance.
	expireKeys = `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`

	dropLongExpired = `DELETE FROM api_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM api_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
)

// Purge implements store.Eraser.
func (s *Store) Purge(ctx context.Context, tenantID string, createdBefore time.Time) (removed int, more bool, err error) {
	bound := store.FirstEventID(createdBefore)
	err = s.once(ctx, func(ctx context.Context) error {
		var batch pgx.Batch
		batch.Queue(lockOldest, tenantID, bound[:], purgeRows)
		batch.Queue(purgeEvents, tenantID, bound[:], purgeRows).Exec(func(tag pgconn.CommandTag) error {
			removed = int(tag.RowsAffected())
			return nil
		})
		return s.pool.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return 0, false, err
	}
	return removed, removed == purgeRows, nil
}

// Forget implements store.Eraser.
func (s *Store) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error) {
	bound := store.FirstEventID(createdBefore)
	err = s.repeatable(ctx, func(ctx context.Context) error {
		return s.inTransaction(ctx, func(tx pgx.Tx) error {
			// The writers' turn: they replace keys in an order of their own.
			if _, err := tx.Exec(ctx, lockAppending); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, forgetKeys, tenantID, bound[:], purgeRows)
			more = tag.RowsAffected() == purgeRows
			return err
		})
	})
	return more && err == nil, err
}

// Expire implements store.Eraser.
func (s *Store) Expire(ctx context.Context) (more bool, err error) {
	now := store.Now()
	err = s.repeatable(ctx, func(ctx context.Context) error {
		keys, err := s.pool.Exec(ctx, expireKeys, now, purgeRows)
		if err != nil {
			return err
		}
		apiKeys, err := s.pool.Exec(ctx, dropLongExpired, now.Add(-store.KeyGrace), purgeRows)
		more = keys.RowsAffected() == purgeRows || apiKeys.RowsAffected() == purgeRows
		return err
	})
	return more && err == nil, err
}
