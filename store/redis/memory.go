package redis

import (
	"context"
	"crypto/rand"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/triggers-api/triggers/store"
)

// A tenant's entries count only while they carry the tenant's generation, which is a random text: a new one makes Redis
// forget them all at once. An entry is made with the generation that was read before the store was asked, so that one
// that was on its way meanwhile is forgotten with the others. Because no generation ever comes twice, that also holds
// when Redis loses the present one.

// recall looks the events' keys up in one round trip and returns what is known, by key, and the generation. The
// generation is empty when nothing can be remembered.
func (m *memory) recall(ctx context.Context, tenantID string, events []store.NewEvent) (string, map[string]entry) {
	names := []string{generationName(tenantID)}
	var keys []string
	for i := range events {
		if key := events[i].IdempotencyKey; key != "" {
			names, keys = append(names, entryName(tenantID, key)), append(keys, key)
		}
	}
	if len(keys) == 0 {
		return "", nil
	}
	generation, known := "", map[string]entry{}
	err := m.conn.Do(ctx, func(ctx context.Context, client goredis.Cmdable) error {
		values, err := client.MGet(ctx, names...).Result()
		if err != nil {
			return err
		}
		present, found := values[0].(string)
		if !found {
			generation, err = m.begin(ctx, client, tenantID)
			return err
		}
		generation = present
		for i, value := range values[1:] {
			if e, ok := parseEntry(value, generation); ok {
				known[keys[i]] = e
			}
		}
		return nil
	})
	if err != nil {
		return "", nil
	}
	return generation, known
}

// begin gives a tenant its first generation. It is empty when somebody else is doing so too.
func (m *memory) begin(ctx context.Context, client goredis.Cmdable, tenantID string) (string, error) {
	generation := rand.Text()
	first, err := client.SetNX(ctx, generationName(tenantID), generation, m.ttl).Result()
	if err != nil || !first {
		return "", err
	}
	return generation, nil
}

// remember keeps entries, by key, for some time.
func (m *memory) remember(
	ctx context.Context, tenantID, generation string, entries map[string]entry, left time.Duration,
) {
	if generation == "" || len(entries) == 0 || left <= 0 {
		return
	}
	// What Redis does not learn, the store knows.
	_ = m.conn.Do(ctx, func(ctx context.Context, client goredis.Cmdable) error {
		_, err := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			p.PExpire(ctx, generationName(tenantID), m.ttl) // longer than its entries
			for key, e := range entries {
				p.Set(ctx, entryName(tenantID, key), e.text(generation), left)
			}
			return nil
		})
		return err
	})
}

// forget makes Redis forget all of a tenant's keys. It returns store.ErrUnavailable when that is not sure.
func (m *memory) forget(ctx context.Context, tenantID string) error {
	err := m.conn.Do(ctx, func(ctx context.Context, client goredis.Cmdable) error {
		return client.Set(ctx, generationName(tenantID), rand.Text(), m.ttl).Err()
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}
