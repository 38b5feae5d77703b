package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/group"
)

// Append implements store.Events.
func (s *Store) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	receipts := make([]store.Receipt, len(events))
	err := s.writer.Do(ctx, group.Weight(events), func(tx *session) error {
		for i := range events {
			receipt, err := tx.append(tenantID, &events[i], s.ttl)
			if err != nil {
				return err
			}
			receipts[i] = receipt
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

func (s *session) append(tenantID string, e *store.NewEvent, ttl time.Duration) (store.Receipt, error) {
	id := s.ids.Next()
	if e.IdempotencyKey != "" {
		// By the clock, which an id may be ahead of.
		now := time.Now()
		fingerprint := e.Fingerprint()
		if earlier, found, err := s.remembered(tenantID, e.IdempotencyKey, fingerprint[:], now); found || err != nil {
			return earlier, err
		}
		expires := now.Add(ttl).UnixMilli()
		if _, err := s.insertKey.Exec(tenantID, e.IdempotencyKey, id[:], fingerprint[:], expires); err != nil {
			return store.Receipt{}, err
		}
	}
	_, err := s.insertEvent.Exec(id[:], tenantID, optional(e.Source), optional(e.Type), optional(e.Topic),
		optional(e.IdempotencyKey), []byte(e.Payload))
	return store.Receipt{ID: id, Outcome: store.Accepted}, err
}

// remembered looks an idempotency key up. One that has run its time is forgotten on the spot.
func (s *session) remembered(tenantID, key string, fingerprint []byte, now time.Time) (r store.Receipt, found bool, err error) {
	var id, first []byte
	var expires int64
	err = s.findKey.QueryRow(tenantID, key).Scan(&id, &first, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, false, nil
	case err != nil:
		return r, false, err
	case expires <= now.UnixMilli():
		_, err := s.dropKey.Exec(tenantID, key)
		return r, false, err
	}
	r = store.Receipt{ID: store.EventID(id), Outcome: store.Duplicate}
	if !bytes.Equal(first, fingerprint) {
		r.Outcome = store.KeyReused
	}
	return r, true, nil
}

// optional stores an absent name as NULL.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// optionalTime stores a time that has not come as NULL.
func optionalTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
