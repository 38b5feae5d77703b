package postgres_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/postgres"
	"github.com/triggers-api/triggers/store/storetest"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(harness.Tests{M: m}) }

// database returns the URL of an empty database.
func database(t *testing.T) string {
	t.Helper()
	return harness.SharedPostgres(t).Database(t, store.NewID("test_"))
}

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	return openWith(t, postgres.Options{URL: url, IdempotencyTTL: time.Hour, AutoMigrate: true})
}

func openWith(t *testing.T, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	instances := func(t *testing.T, opts storetest.Options, n int) []store.Store {
		t.Helper()
		url := database(t)
		stores := make([]store.Store, n)
		for i := range stores {
			stores[i] = openWith(t, postgres.Options{URL: url, IdempotencyTTL: opts.IdempotencyTTL, AutoMigrate: true})
		}
		return stores
	}
	storetest.Run(t, storetest.Harness{
		Open:      func(t *testing.T, opts storetest.Options) store.Store { t.Helper(); return instances(t, opts, 1)[0] },
		Instances: instances,
	})
}
