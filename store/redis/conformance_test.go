package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/redis"
	"github.com/triggers-api/triggers/store/storetest"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T, opts storetest.Options) store.Store {
		t.Helper()
		return redis.Remember(openStore(t, opts.IdempotencyTTL), connect(t, server.NewDatabase()), opts.IdempotencyTTL)
	}})
}

// forgetful is a store whose Forget and Import do without Redis, which cannot be done without else.
type forgetful struct {
	store.Store
	engine store.Store
}

func (f forgetful) Forget(ctx context.Context, tenant string, createdBefore time.Time) (bool, error) {
	return f.engine.Forget(ctx, tenant, createdBefore)
}

func (f forgetful) Import(ctx context.Context, tenant string, events []store.Event, keys []store.IdempotencyKey) error {
	return f.engine.Import(ctx, tenant, events, keys)
}

func TestConformanceWithoutRedis(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	server.Stop()
	conn := connect(t, server.URL)
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T, opts storetest.Options) store.Store {
		t.Helper()
		engine := openStore(t, opts.IdempotencyTTL)
		return forgetful{Store: redis.Remember(engine, conn, opts.IdempotencyTTL), engine: engine}
	}})
}
