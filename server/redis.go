package main

import (
	"context"
	"log/slog"
	"time"

	redisclient "github.com/redis/go-redis/v9"

	"github.com/triggers-api/triggers/limit"
	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/redis"
)

// sharedMemory is what instances have in common beside the store: Redis, if there is one.
type sharedMemory struct {
	conn    *redisconn.Conn // nil without Redis
	limiter limit.Limiter
	ttl     time.Duration // of idempotency keys
}

func connectRedis(ctx context.Context, cfg *config, log *slog.Logger) (*sharedMemory, error) {
	if cfg.redisURL == "" {
		return &sharedMemory{limiter: limit.NewBuckets()}, nil
	}
	conn, err := redisconn.New(cfg.redisURL, log)
	if err != nil {
		return nil, err
	}
	// A wrong URL is told now, and not when the first request comes. Failing is no reason not to start.
	_ = conn.Do(ctx, func(ctx context.Context, client redisclient.Cmdable) error { return client.Ping(ctx).Err() })
	return &sharedMemory{conn: conn, limiter: limit.NewRedis(conn), ttl: cfg.storage.idempotencyTTL()}, nil
}

// remember has accepted idempotency keys remembered in front of a store.
func (m *sharedMemory) remember(s store.Store) store.Store {
	if m.conn == nil {
		return s
	}
	return redis.Remember(s, m.conn, m.ttl)
}

func (m *sharedMemory) close() error {
	if m.conn == nil {
		return nil
	}
	return m.conn.Close()
}
