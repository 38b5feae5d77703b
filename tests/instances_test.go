package tests

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// These tests are about several servers on one PostgreSQL and one Redis, whatever TEST_ENGINE says.

// pair starts two servers that share a database and a Redis.
func pair(t *testing.T, env ...string) (a, b *harness.Server, redis *harness.RedisServer, postgres *harness.PostgresServer) {
	t.Helper()
	redis, postgres = harness.StartRedis(t), harness.StartPostgres(t)
	env = append(env, "DATABASE_URL="+postgres.Database(t, "pair"), "REDIS_URL="+redis.URL)
	servers := make([]*harness.Server, 2)
	var group sync.WaitGroup
	for i := range servers {
		group.Go(func() { servers[i] = harness.Start(t, harness.Options{Env: env}) }) // both migrate at once
	}
	group.Wait()
	return servers[0], servers[1], redis, postgres
}

// both sends n requests at once, to each server every other one.
func both(n int, servers [2]*harness.Client, send func(i int, client *harness.Client)) {
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			send(i, servers[i%2])
		})
	}
	start.Done()
	done.Wait()
}

func TestInstances(t *testing.T) {
	t.Parallel()
	a, b, redis, postgres := pair(t, "ADMIN_API_KEY=operator-of-the-test")
	clients := [2]*harness.Client{a.Client(t, harness.Key), b.Client(t, harness.Key)}

	t.Run("OneKey", func(t *testing.T) {
		const n = 200
		for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			responses := make([]*harness.Response, n)
			both(n, clients, func(i int, client *harness.Client) {
				responses[i] = client.In(t).Do(http.MethodPost, "/events", `{"topic":"one-key","payload":{}}`, header, "key-of-"+header)
			})
			ids, accepted := map[string]int{}, 0
			for _, response := range responses {
				ids[response.Header.Get("X-Event-ID")]++
				if response.Status == http.StatusOK && response.Header.Get("Idempotency-Replayed") == "" {
					accepted++
				}
			}
			if accepted != 1 || len(ids) != 1 {
				t.Errorf("%s: accepted %d times, ids %v", header, accepted, ids)
			}
		}
		if events := clients[0].In(t).InboxAll("topic", "one-key"); len(events) != 2 {
			t.Errorf("%d events for two keys", len(events))
		}
	})
	t.Run("SeenByTheOther", func(t *testing.T) {
		id := clients[0].In(t).Post(`{"topic":"seen","payload":{}}`)
		if events := clients[1].In(t).InboxAll("topic", "seen"); len(events) != 1 || events[0].ID != id {
			t.Errorf("%v", events)
		}
		clients[1].In(t).Do(http.MethodPost, "/inbox/"+id+"/ack", "").Want(http.StatusOK)
		if events := clients[0].In(t).InboxAll("topic", "seen"); len(events) != 0 {
			t.Errorf("%v", events)
		}
	})
	t.Run("TenantDisabled", func(t *testing.T) {
		admin := a.Client(t, "operator-of-the-test")
		other := b.Client(t, harness.OtherKey)
		other.Post(`{"payload":{}}`)
		admin.Do(http.MethodPatch, "/admin/tenants/tenant_b", `{"disabled":true}`).Want(http.StatusOK)
		harness.Eventually(t, 10*time.Second, "the other instance to refuse the tenant", func() error {
			return wantStatus(other, "/inbox", http.StatusForbidden)
		})
	})
	// From here on parts are taken away.
	t.Run("RetryWithoutStore", func(t *testing.T) {
		id := clients[0].In(t).Post(`{"payload":{"n":1}}`, "Idempotency-Key", "while-away")
		postgres.Stop(t)
		harness.Eventually(t, 20*time.Second, "the store to be away", func() error {
			return wantStatus(clients[1], "/readyz", http.StatusServiceUnavailable)
		})
		response := clients[1].In(t).Do(http.MethodPost, "/events", `{"payload":{"n":1}}`, "Idempotency-Key", "while-away").Want(http.StatusOK)
		if response.Text("id") != id || response.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s, want %s again", response.Body, id)
		}
		clients[1].In(t).Do(http.MethodPost, "/events", `{"payload":{}}`).WantError(http.StatusServiceUnavailable, "UNAVAILABLE")
		postgres.Start(t)
		harness.Eventually(t, 20*time.Second, "the store to be back", func() error {
			return wantStatus(clients[1], "/readyz", http.StatusOK)
		})
	})
	t.Run("WithoutRedis", func(t *testing.T) {
		id := clients[0].In(t).Post(`{"payload":{}}`, "Idempotency-Key", "before")
		redis.Stop()
		for i := range 20 {
			again := clients[i%2].In(t).Post(`{"payload":{}}`, "Idempotency-Key", "before")
			if again != id {
				t.Fatalf("%s, want %s again: the store remembers", again, id)
			}
		}
		redis.Start()
		clients[0].In(t).Post(`{"payload":{}}`)
	})
	wantNoFaults(t, a)
	wantNoFaults(t, b)
}

// One limit counts for both instances together; without Redis each counts for itself.
func TestInstancesRateLimit(t *testing.T) {
	t.Parallel()
	const limit = 40
	a, b, redis, _ := pair(t, fmt.Sprintf("RATE_LIMIT_PER_MINUTE=%d", limit))
	clients := [2]*harness.Client{a.Client(t, harness.Key), b.Client(t, harness.Key)}
	allowed := func(key string) (n int) {
		var mu sync.Mutex
		both(3*limit, clients, func(_ int, client *harness.Client) {
			response := client.Do(http.MethodPost, "/events", `{"payload":{}}`, "Authorization", "", "X-API-Key", key)
			mu.Lock()
			defer mu.Unlock()
			switch response.Status {
			case http.StatusOK:
				n++
			case http.StatusTooManyRequests:
			default:
				t.Errorf("%d: %s", response.Status, response.Body)
			}
		})
		return n
	}
	if n := allowed(harness.Key); n != limit {
		t.Errorf("%d requests were allowed over both, limit %d", n, limit)
	}
	redis.Stop()
	if n := allowed(harness.SecondKey); n < limit || n > 2*limit+5 { // tokens trickle in meanwhile
		t.Errorf("%d requests were allowed without Redis, limit %d each", n, limit)
	}
	for _, server := range []*harness.Server{a, b} {
		told := 0
		for _, line := range server.LogLines() {
			if line["level"] == "WARN" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("that Redis is away was told %d times", told)
		}
	}
	redis.Start()
	harness.Eventually(t, 20*time.Second, "the limit to be shared again", func() error {
		// OtherKey has drawn nothing: what one instance counts, the other knows.
		one := clients[0].Do(http.MethodGet, "/usage", "", "Authorization", "", "X-API-Key", harness.OtherKey).Value("remaining")
		clients[0].Do(http.MethodGet, "/inbox", "", "Authorization", "", "X-API-Key", harness.OtherKey)
		two := clients[1].Do(http.MethodGet, "/usage", "", "Authorization", "", "X-API-Key", harness.OtherKey).Value("remaining")
		if one.(float64) != two.(float64)+1 {
			return errors.New("they still count apart")
		}
		return nil
	})
}

// Stopping or killing one of two instances under load loses nothing.
func TestInstancesStop(t *testing.T) {
	t.Parallel()
	a, b, _, _ := pair(t)
	load := startStream(t, 4, a.Client(t, harness.Key), b.Client(t, harness.Key))
	load.more(100)
	a.Stop()
	load.more(50)
	c := harness.Start(t, harness.Options{Env: b.Env()})
	more := startStream(t, 2, c.Client(t, harness.OtherKey))
	more.more(30)
	b.Kill()
	more.more(30)
	load.finish(c.Client(t, harness.Key))
	more.finish(c.Client(t, harness.OtherKey))
}
