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

	// A key that somebody holds is being replaced, or removed by another instance.
	expireKeys = `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency_keys WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))`

	dropLongExpired = `DELETE FROM api_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM api_keys WHERE expires_at < now() - $2::interval ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))`
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

// Mark implements store.Eraser. The moment is after the newest id and the server's time, and is itself what ids follow from
// then on.
func (s *Store) Mark(ctx context.Context) (mark time.Time, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		var batch pgx.Batch
		// What a writer is storing is committed when it is done with its turn.
		batch.Queue(lockAppending)
		batch.Queue(advanceToMark).QueryRow(func(row pgx.Row) error {
			var milliseconds int64
			err := row.Scan(&milliseconds)
			mark = time.UnixMilli(milliseconds).UTC()
			return err
		})
		return s.pool.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return time.Time{}, err
	}
	return mark, nil
}

// An id begins with its time in milliseconds, and 16 bits more of it are in newest_event.
const advanceToMark = `SELECT setval('newest_event',
		(greatest(last_value >> 16, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) + 1) << 16) >> 16
	FROM newest_event`

// Expire implements store.Eraser. It goes by the server's clock, so that no instance forgets for the others.
func (s *Store) Expire(ctx context.Context) (more bool, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		keys, err := s.pool.Exec(ctx, expireKeys, purgeRows)
		if err != nil {
			return err
		}
		apiKeys, err := s.pool.Exec(ctx, dropLongExpired, purgeRows, store.KeyGrace)
		more = keys.RowsAffected() == purgeRows || apiKeys.RowsAffected() == purgeRows
		return err
	})
	return more && err == nil, err
}
