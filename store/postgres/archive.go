package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/triggers-api/triggers/store"
)

// TenantsWithEvents implements store.Archive. It goes from one tenant to the next in the index, past their events.
func (s *Store) TenantsWithEvents(ctx context.Context, after string, limit int) (tenants []string, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `WITH RECURSIVE found AS (
				SELECT (SELECT tenant FROM events WHERE tenant > $1 ORDER BY tenant LIMIT 1) AS tenant
				UNION ALL
				SELECT (SELECT tenant FROM events e WHERE e.tenant > found.tenant ORDER BY tenant LIMIT 1)
				FROM found WHERE found.tenant IS NOT NULL
			) SELECT tenant FROM found WHERE tenant IS NOT NULL LIMIT $2`, after, limit)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return tenants, err
}

const selectIdempotencyKeys = `SELECT key, event_id, fingerprint, expires_at FROM idempotency_keys
	WHERE tenant = $1 AND key > $2 AND expires_at > now() ORDER BY key LIMIT $3`

// IdempotencyKeys implements store.Archive.
func (s *Store) IdempotencyKeys(ctx context.Context, tenantID, after string, limit int) (keys []store.IdempotencyKey, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, selectIdempotencyKeys, tenantID, after, limit)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, scanIdempotencyKey)
		return err
	})
	return keys, err
}

func scanIdempotencyKey(row pgx.CollectableRow) (k store.IdempotencyKey, err error) {
	var fingerprint []byte
	if err := row.Scan(&k.Key, (*[16]byte)(&k.EventID), &fingerprint, &k.ExpiresAt); err != nil {
		return store.IdempotencyKey{}, err
	}
	k.Fingerprint, k.ExpiresAt = [sha256.Size]byte(fingerprint), k.ExpiresAt.UTC()
	return k, nil
}

// Import implements store.Archive.
func (s *Store) Import(ctx context.Context, tenantID string, events []store.Event, keys []store.IdempotencyKey) error {
	return s.repeatable(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			return tx.SendBatch(ctx, importBatch(tenantID, events, keys)).Close()
		})
	})
}

func importBatch(tenantID string, events []store.Event, keys []store.IdempotencyKey) *pgx.Batch {
	var batch pgx.Batch
	// The writers' turn: no id is handed out meanwhile that the imported ones could pass.
	batch.Queue(lockAppending)
	var newest uint64
	for i := range events {
		e := &events[i]
		newest = max(newest, binary.BigEndian.Uint64(e.ID[:8]))
		batch.Queue(`INSERT INTO events (tenant, `+eventNames+`, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (tenant, id) DO UPDATE SET source = excluded.source, type = excluded.type, topic = excluded.topic,
				idempotency_key = excluded.idempotency_key, status = excluded.status,
				acknowledged_at = excluded.acknowledged_at, deleted_at = excluded.deleted_at, payload = excluded.payload`,
			tenantID, e.ID[:], zeronull.Text(e.Source), zeronull.Text(e.Type), zeronull.Text(e.Topic),
			zeronull.Text(e.IdempotencyKey), e.Status.Number(), timestamp(e.AcknowledgedAt), timestamp(e.DeletedAt),
			[]byte(e.Payload))
	}
	for i := range keys {
		k := &keys[i]
		batch.Queue(`INSERT INTO idempotency_keys (tenant, key, event_id, fingerprint, expires_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, key) DO UPDATE
			SET event_id = excluded.event_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at`,
			tenantID, k.Key, k.EventID[:], k.Fingerprint[:], timestamp(k.ExpiresAt))
	}
	batch.Queue(`SELECT setval('newest_event', greatest(last_value, $1)) FROM newest_event`, int64(newest))
	return &batch
}
