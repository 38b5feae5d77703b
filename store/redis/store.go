package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/store"
)

// longest is how long Redis remembers a key at most. Retries come within minutes, and the store knows the rest.
const longest = 15 * time.Minute

// margin is how much earlier than the store Redis forgets a key, so that it never remembers longer: clocks of instances
// may differ by that much.
const margin = 10 * time.Second

// memory is a store.Store with Redis in front of its idempotency keys.
type memory struct {
	store.Store
	conn *redisconn.Conn
	ttl  time.Duration
}

// Remember returns the store with its idempotency keys remembered in Redis too. Its ttl is the store's own, how long a
// key is remembered after it was first used. The connection is closed by whoever made it, after the store.
//
// While Redis is away the store does all by itself, with one difference: Forget, and Import of keys, return
// store.ErrUnavailable, as they cannot promise that Redis will not remember what the store no longer does.
func Remember(next store.Store, conn *redisconn.Conn, ttl time.Duration) store.Store {
	return &memory{Store: next, conn: conn, ttl: ttl}
}

// Append implements store.Events.
func (m *memory) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	started := time.Now()
	generation, known := m.recall(ctx, tenantID, events)
	receipts := make([]store.Receipt, len(events))
	unknown := make([]store.NewEvent, 0, len(events))
	places := make([]int, 0, len(events))
	for i := range events {
		if e, ok := known[events[i].IdempotencyKey]; ok {
			receipts[i] = e.receipt(&events[i])
			continue
		}
		unknown, places = append(unknown, events[i]), append(places, i)
	}
	if len(unknown) == 0 {
		return receipts, nil
	}
	stored, err := m.Store.Append(ctx, tenantID, unknown)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		receipts[place] = stored[i]
	}
	// What is a duplicate for the store was first used at a time that only the store knows.
	accepted := map[string]entry{}
	for i := range unknown {
		if key := unknown[i].IdempotencyKey; key != "" && stored[i].Outcome == store.Accepted {
			accepted[key] = entry{id: stored[i].ID, fingerprint: unknown[i].Fingerprint()}
		}
	}
	m.remember(ctx, tenantID, generation, accepted, min(m.ttl-margin, longest)-time.Since(started))
	return receipts, nil
}

// Forget implements store.Eraser. Redis forgets all of the tenant's keys when the store has forgotten those it was
// asked to; the others are still in the store.
func (m *memory) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (bool, error) {
	more, err := m.Store.Forget(ctx, tenantID, createdBefore)
	if err != nil || more {
		return more, err
	}
	return false, m.forget(ctx, tenantID)
}

// Import implements store.Archive.
func (m *memory) Import(ctx context.Context, tenantID string, events []store.Event, keys []store.IdempotencyKey) error {
	if err := m.Store.Import(ctx, tenantID, events, keys); err != nil || len(keys) == 0 {
		return err
	}
	return m.forget(ctx, tenantID)
}

func unavailable(cause error) error {
	return fmt.Errorf("redis: %w: %w", store.ErrUnavailable, cause)
}
