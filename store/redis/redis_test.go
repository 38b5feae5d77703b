package redis_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/redis"
	"github.com/triggers-api/triggers/store/sqlite"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "tenant_a"

func openStore(t *testing.T, ttl time.Duration) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "events.db"), IdempotencyTTL: ttl, AutoMigrate: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func connect(t *testing.T, url string) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.New(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// fixture is a store with Redis in front of it.
type fixture struct {
	store.Store
	engine store.Store // the store behind
	server *harness.RedisServer
	client *goredis.Client // the test's own
}

func setup(t *testing.T, ttl time.Duration) *fixture {
	t.Helper()
	f := &fixture{engine: openStore(t, ttl), server: harness.StartRedis(t)}
	f.Store = redis.Remember(f.engine, connect(t, f.server.URL), ttl)
	opts, err := goredis.ParseURL(f.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.client = goredis.NewClient(opts)
	t.Cleanup(func() { _ = f.client.Close() })
	return f
}

// down has the store behind fail from now on.
func (f *fixture) down(t *testing.T) {
	t.Helper()
	if err := f.engine.Close(); err != nil {
		t.Fatal(err)
	}
}

// entries are the names under which Redis remembers keys.
func (f *fixture) entries(t *testing.T) []string {
	t.Helper()
	var entries []string
	for _, name := range f.client.Keys(t.Context(), "trg:idem:*").Val() {
		if !strings.HasSuffix(name, ":generation") {
			entries = append(entries, name)
		}
	}
	return entries
}

func event(key, payload string) store.NewEvent {
	return store.NewEvent{IdempotencyKey: key, Payload: json.RawMessage(payload)}
}

func (f *fixture) append(t *testing.T, events ...store.NewEvent) []store.Receipt {
	t.Helper()
	receipts, err := f.Append(t.Context(), tenant, events)
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != len(events) {
		t.Fatalf("%d receipts for %d events", len(receipts), len(events))
	}
	return receipts
}

func (f *fixture) accept(t *testing.T, e store.NewEvent) store.EventID {
	t.Helper()
	receipt := f.append(t, e)[0]
	if receipt.Outcome != store.Accepted {
		t.Fatalf("%+v", receipt)
	}
	return receipt.ID
}

func (f *fixture) wantUnavailable(t *testing.T, events ...store.NewEvent) {
	t.Helper()
	if receipts, err := f.Append(t.Context(), tenant, events); !errors.Is(err, store.ErrUnavailable) || receipts != nil {
		t.Errorf("got %+v, %v", receipts, err)
	}
}

func want(t *testing.T, got []store.Receipt, want ...store.Receipt) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

// A key that was accepted is answered without the store.
func TestRetry(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	id := f.accept(t, event("k", `{"a":1}`))
	other := f.accept(t, event("l", `{}`))
	f.down(t)
	want(t, f.append(t, event("k", `{"a":1}`)), store.Receipt{ID: id, Outcome: store.Duplicate})
	want(t, f.append(t, event("k", `{"a":2}`)), store.Receipt{ID: id, Outcome: store.KeyReused})
	want(t, f.append(t, event("l", `{}`), event("k", `{"a":1}`), event("k", `{}`)),
		store.Receipt{ID: other, Outcome: store.Duplicate}, store.Receipt{ID: id, Outcome: store.Duplicate},
		store.Receipt{ID: id, Outcome: store.KeyReused})
	f.wantUnavailable(t, event("m", `{}`))
	f.wantUnavailable(t, event("", `{}`))
	f.wantUnavailable(t, event("k", `{"a":1}`), event("m", `{}`))
	if receipts, err := f.Append(t.Context(), "tenant_b", []store.NewEvent{event("k", `{"a":1}`)}); err == nil {
		t.Errorf("another tenant got %+v", receipts)
	}
}

// What is known and what is not come in one call, each in its place.
func TestMixed(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	id := f.accept(t, event("k", `{}`))
	got := f.append(t, event("", `{}`), event("k", `{}`), event("l", `{}`), event("l", `{}`),
		event("k", `{"a":1}`), event("l", `{"a":1}`))
	want(t, got, store.Receipt{ID: got[0].ID}, store.Receipt{ID: id, Outcome: store.Duplicate},
		store.Receipt{ID: got[2].ID}, store.Receipt{ID: got[2].ID, Outcome: store.Duplicate},
		store.Receipt{ID: id, Outcome: store.KeyReused}, store.Receipt{ID: got[2].ID, Outcome: store.KeyReused})
	if n := len(f.entries(t)); n != 2 {
		t.Errorf("Redis remembers %d keys, want 2", n)
	}
	f.down(t)
	want(t, f.append(t, event("l", `{}`)), store.Receipt{ID: got[2].ID, Outcome: store.Duplicate})
}

// Redis forgets before the store does, and shows no key.
func TestEntries(t *testing.T) {
	t.Parallel()
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		const ttl = time.Hour
		f := setup(t, ttl)
		f.accept(t, event("customer@example.com", `{}`))
		for _, name := range f.client.Keys(t.Context(), "*").Val() {
			if left := f.client.PTTL(t.Context(), name).Val(); left <= 0 || left > ttl {
				t.Errorf("%s stays for %s", name, left)
			}
			if strings.Contains(name+f.client.Get(t.Context(), name).Val(), "customer") {
				t.Errorf("%s shows the idempotency key", name)
			}
		}
		entries := f.entries(t)
		if len(entries) != 1 {
			t.Fatalf("entries %v", entries)
		}
		if left := f.client.PTTL(t.Context(), entries[0]).Val(); left > ttl-10*time.Second {
			t.Errorf("Redis remembers for %s, the store for %s", left, ttl)
		}
	})
	t.Run("ShortTTL", func(t *testing.T) {
		t.Parallel()
		f := setup(t, 5*time.Second)
		f.accept(t, event("k", `{}`))
		if entries := f.entries(t); len(entries) > 0 {
			t.Errorf("entries %v outlive what the store remembers by another clock", entries)
		}
	})
	t.Run("Duplicate", func(t *testing.T) {
		// Only the store knows how old it is.
		t.Parallel()
		f := setup(t, time.Hour)
		id := f.accept(t, event("k", `{}`))
		f.client.FlushAll(t.Context())
		want(t, f.append(t, event("k", `{}`)), store.Receipt{ID: id, Outcome: store.Duplicate})
		if entries := f.entries(t); len(entries) > 0 {
			t.Errorf("entries %v", entries)
		}
	})
}

// What is not as it was written is as good as absent.
func TestGarbage(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	first := f.accept(t, event("k", `{}`))
	entry, generation := f.entries(t)[0], "trg:idem:{"+tenant+"}:generation"
	whole := f.client.Get(t.Context(), entry).Val()
	for name, spoil := range map[string]func(context.Context) error{
		"EntryEmpty":      func(ctx context.Context) error { return f.client.Set(ctx, entry, "", 0).Err() },
		"EntryShort":      func(ctx context.Context) error { return f.client.Set(ctx, entry, whole[:47], 0).Err() },
		"EntryCut":        func(ctx context.Context) error { return f.client.Set(ctx, entry, whole[:len(whole)-1], 0).Err() },
		"EntryLong":       func(ctx context.Context) error { return f.client.Append(ctx, entry, whole+"x").Err() },
		"EntryList":       func(ctx context.Context) error { return f.client.LPush(ctx, entry, "x").Err() },
		"GenerationOther": func(ctx context.Context) error { return f.client.Set(ctx, generation, "x", 0).Err() },
		"GenerationEmpty": func(ctx context.Context) error { return f.client.Set(ctx, generation, "", 0).Err() },
		"GenerationGone":  func(ctx context.Context) error { return f.client.Del(ctx, generation).Err() },
		"GenerationList":  func(ctx context.Context) error { return f.client.LPush(ctx, generation, "x").Err() },
	} {
		// One after the other on the same Redis.
		t.Run(name, func(t *testing.T) {
			spoiled := entry
			if strings.HasPrefix(name, "Generation") {
				spoiled = generation
			}
			f.client.Del(t.Context(), spoiled)
			if err := spoil(t.Context()); err != nil {
				t.Fatal(err)
			}
			want(t, f.append(t, event("k", `{}`)), store.Receipt{ID: first, Outcome: store.Duplicate})
			if receipt := f.append(t, event(name, `{}`))[0]; receipt.Outcome != store.Accepted {
				t.Errorf("%+v", receipt)
			}
		})
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	future := time.Now().Add(24 * time.Hour)
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		f := setup(t, time.Hour)
		first := f.accept(t, event("k", `{}`))
		if _, err := f.Append(t.Context(), "tenant_b", []store.NewEvent{event("k", `{}`)}); err != nil {
			t.Fatal(err)
		}
		if more, err := f.Forget(t.Context(), tenant, future); more || err != nil {
			t.Fatal(more, err)
		}
		second := f.accept(t, event("k", `{}`))
		if second == first {
			t.Error("the forgotten event came back")
		}
		f.down(t)
		want(t, f.append(t, event("k", `{}`)), store.Receipt{ID: second, Outcome: store.Duplicate})
		receipts, err := f.Append(t.Context(), "tenant_b", []store.NewEvent{event("k", `{}`)})
		if err != nil || receipts[0].Outcome != store.Duplicate {
			t.Errorf("%+v %v: another tenant's keys were forgotten too", receipts, err)
		}
	})
	t.Run("LostGeneration", func(t *testing.T) {
		// Redis may drop any key when it is short of memory, that of the present generation too.
		t.Parallel()
		f := setup(t, time.Hour)
		f.accept(t, event("k", `{}`))
		if _, err := f.Forget(t.Context(), tenant, future); err != nil {
			t.Fatal(err)
		}
		f.client.Del(t.Context(), "trg:idem:{"+tenant+"}:generation")
		f.accept(t, event("k", `{}`))
	})
	t.Run("OnItsWay", func(t *testing.T) {
		// An entry that is made while keys are being forgotten is forgotten too.
		t.Parallel()
		f := setup(t, time.Hour)
		f.accept(t, event("first", `{}`)) // there is a generation
		late := &late{Store: f.engine, appended: make(chan struct{}), goOn: make(chan struct{})}
		slow := redis.Remember(late, connect(t, f.server.URL), time.Hour)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := slow.Append(t.Context(), tenant, []store.NewEvent{event("k", `{}`)}); err != nil {
				t.Error(err)
			}
		})
		<-late.appended
		if _, err := f.Forget(t.Context(), tenant, future); err != nil {
			t.Error(err)
		}
		close(late.goOn)
		all.Wait()
		f.accept(t, event("k", `{}`))
	})
	t.Run("ErrUnavailable", func(t *testing.T) {
		t.Parallel()
		f := setup(t, time.Hour)
		f.accept(t, event("k", `{}`))
		f.server.Stop()
		if _, err := f.Forget(t.Context(), tenant, future); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		f.server.Start()
		harness.Eventually(t, 20*time.Second, "the keys to be forgotten", func() error {
			_, err := f.Forget(t.Context(), tenant, future)
			return err
		})
		f.accept(t, event("k", `{}`))
	})
}

// late is a store that takes long to answer an append.
type late struct {
	store.Store
	appended, goOn chan struct{}
}

func (l *late) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	receipts, err := l.Store.Append(ctx, tenantID, events)
	close(l.appended)
	<-l.goOn
	return receipts, err
}

// What is imported takes the place of what was there.
func TestImport(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	first := f.accept(t, event("k", `{}`))
	e := event("k", `{"a":1}`)
	imported := store.IdempotencyKey{
		Key: "k", EventID: store.NewIDSource(first).Next(), Fingerprint: e.Fingerprint(),
		ExpiresAt: store.Now().Add(time.Hour),
	}
	if err := f.Import(t.Context(), tenant, nil, []store.IdempotencyKey{imported}); err != nil {
		t.Fatal(err)
	}
	want(t, f.append(t, e), store.Receipt{ID: imported.EventID, Outcome: store.Duplicate})
}

// Redis going and coming back is nothing that a client sees.
func TestOutage(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	id := f.accept(t, event("k", `{}`))
	f.server.Stop()
	want(t, f.append(t, event("k", `{}`)), store.Receipt{ID: id, Outcome: store.Duplicate})
	meanwhile := f.accept(t, event("l", `{}`))
	f.server.Start()
	n := 0
	harness.Eventually(t, 20*time.Second, "keys to be remembered again", func() error {
		n++
		f.accept(t, event(fmt.Sprint("m", n), `{}`))
		if len(f.entries(t)) == 0 {
			return errors.New("Redis knows nothing")
		}
		return nil
	})
	want(t, f.append(t, event("k", `{}`), event("l", `{}`), event("l", `{"a":1}`)),
		store.Receipt{ID: id, Outcome: store.Duplicate}, store.Receipt{ID: meanwhile, Outcome: store.Duplicate},
		store.Receipt{ID: meanwhile, Outcome: store.KeyReused})
}

// Concurrent use of one key by two instances makes one event.
func TestTogether(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	instances := []store.Store{f.Store, redis.Remember(f.engine, connect(t, f.server.URL), time.Hour)}
	var mu sync.Mutex
	ids, accepted := map[store.EventID]bool{}, 0
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			receipts, err := instances[i%2].Append(t.Context(), tenant, []store.NewEvent{event("k", `{}`)})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[receipts[0].ID] = true
			if receipts[0].Outcome == store.Accepted {
				accepted++
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || accepted != 1 {
		t.Errorf("%d events, %d accepted, want 1", len(ids), accepted)
	}
}

// A tenant's id may have any visible ASCII, also what has a meaning in the names of a Redis Cluster.
func TestTenantNames(t *testing.T) {
	t.Parallel()
	f := setup(t, time.Hour)
	seen := map[store.EventID]bool{}
	for _, id := range []string{"a", "}", "{}", "a}:generation", "a%7D", "a}", "a/b", "a:b", "*"} {
		receipts, err := f.Append(t.Context(), id, []store.NewEvent{event("k", `{}`), event("generation", `{}`)})
		if err != nil || receipts[0].Outcome != store.Accepted || receipts[1].Outcome != store.Accepted {
			t.Errorf("%s: %+v %v", id, receipts, err)
		}
		for _, r := range receipts {
			seen[r.ID] = true
		}
	}
	if len(seen) != 18 || len(f.entries(t)) != 18 {
		t.Errorf("%d events, Redis remembers %d, want 18", len(seen), len(f.entries(t)))
	}
	for _, name := range f.entries(t) {
		if _, hash, _ := strings.Cut(name, "}:"); len(hash) != 2*sha256.Size || strings.Count(name, "{") != 1 {
			t.Errorf("name %s", name)
		}
	}
}
