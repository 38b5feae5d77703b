package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/triggers-api/triggers/store"
)

// TenantsWithEvents implements store.Archive. It jumps from tenant to tenant in the index.
func (s *Store) TenantsWithEvents(ctx context.Context, after string, limit int) ([]string, error) {
	return readAll(ctx, s.reader, scanText, `WITH RECURSIVE tenants (tenant) AS (
			SELECT min(tenant) FROM events WHERE tenant > ?
			UNION ALL
			SELECT (SELECT min(tenant) FROM events WHERE tenant > tenants.tenant) FROM tenants WHERE tenant IS NOT NULL
		) SELECT tenant FROM tenants WHERE tenant IS NOT NULL LIMIT ?`, after, limit)
}

// IdempotencyKeys implements store.Archive.
func (s *Store) IdempotencyKeys(ctx context.Context, tenantID, after string, limit int) ([]store.IdempotencyKey, error) {
	return readAll(ctx, s.reader, scanIdempotencyKey, `SELECT key, event_id, fingerprint, expires_at FROM idempotency_keys
		WHERE tenant = ? AND key > ? AND expires_at > ? ORDER BY key LIMIT ?`, tenantID, after, time.Now().UnixMilli(), limit)
}

// Import implements store.Archive.
func (s *Store) Import(ctx context.Context, tenantID string, events []store.Event, keys []store.IdempotencyKey) error {
	for len(events) > 0 {
		n := stepLength(events)
		step := events[:n]
		events = events[n:]
		err := s.writer.Do(ctx, stepRows, func(tx *session) error { return tx.importEvents(tenantID, step) })
		if err != nil {
			return err
		}
	}
	for step := range slices.Chunk(keys, stepRows) {
		err := s.writer.Do(ctx, len(step), func(tx *session) error { return tx.importKeys(tenantID, step) })
		if err != nil {
			return err
		}
	}
	return nil
}

// stepLength is how many of the events one step takes.
func stepLength(events []store.Event) int {
	size := 0
	for i := range events {
		size += len(events[i].Payload)
		if i == stepRows || (i > 0 && size > stepBytes) {
			return i
		}
	}
	return len(events)
}

func (s *session) importEvents(tenantID string, events []store.Event) error {
	newest := s.ids.Next() // above all that are stored
	for i := range events {
		if id := events[i].ID; id.Compare(newest) > 0 {
			newest = id
		}
	}
	// Not by id alone: the unique index knows an id only together with its status.
	replaced, err := s.repeat(`DELETE FROM events WHERE tenant = ? AND status IN (0, 1, 2) AND id = ?`, func(yield func([]any) bool) {
		for i := range events {
			if !yield([]any{tenantID, events[i].ID[:]}) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	s.erased = s.erased || replaced > 0
	_, err = s.repeat(`INSERT INTO events (id, tenant, source, type, topic, idempotency_key, status, acknowledged_at, deleted_at, payload)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, func(yield func([]any) bool) {
		for i := range events {
			if !yield(eventRow(tenantID, &events[i])) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return s.keepNewest(newest)
}

func eventRow(tenantID string, e *store.Event) []any {
	var payload any
	if e.Status != store.Deleted {
		payload = []byte(e.Payload)
	}
	return []any{
		e.ID[:], tenantID, optional(e.Source), optional(e.Type), optional(e.Topic), optional(e.IdempotencyKey),
		e.Status.Number(), optionalTime(e.AcknowledgedAt), optionalTime(e.DeletedAt), payload,
	}
}

func (s *session) importKeys(tenantID string, keys []store.IdempotencyKey) error {
	_, err := s.repeat(`INSERT INTO idempotency_keys (tenant, key, event_id, fingerprint, expires_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (tenant, key) DO UPDATE SET event_id = excluded.event_id, fingerprint = excluded.fingerprint,
			expires_at = excluded.expires_at`, func(yield func([]any) bool) {
		for i := range keys {
			k := &keys[i]
			if !yield([]any{tenantID, k.Key, k.EventID[:], k.Fingerprint[:], k.ExpiresAt.UnixMilli()}) {
				return
			}
		}
	})
	return err
}

func scanIdempotencyKey(row scanner) (store.IdempotencyKey, error) {
	var (
		k               store.IdempotencyKey
		id, fingerprint []byte
		expires         int64
	)
	err := row.Scan(&k.Key, &id, &fingerprint, &expires)
	if err != nil {
		return k, err
	}
	k.EventID, k.ExpiresAt = store.EventID(id), time.UnixMilli(expires).UTC()
	copy(k.Fingerprint[:], fingerprint)
	return k, nil
}
