package limit_test

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/triggers-api/triggers/limit"
	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/tests/harness"
)

const redisKey = "trg:limit:k"

// connect returns a connection and a client of the test's own to the same Redis.
func connect(t *testing.T, url string, log *slog.Logger) (*redisconn.Conn, *redis.Client) {
	t.Helper()
	conn, err := redisconn.New(url, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return conn, client
}

func setup(t *testing.T) (*limit.Redis, *redis.Client) {
	t.Helper()
	conn, client := connect(t, harness.StartRedis(t).URL, nil)
	return limit.NewRedis(conn), client
}

// present is the second that Redis counts requests in.
func present(t *testing.T, client *redis.Client) int64 {
	t.Helper()
	now, err := client.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now.Unix()
}

// plant has Redis believe that requests were drawn in a second.
func plant(t *testing.T, client *redis.Client, second int64, n int) {
	t.Helper()
	if err := client.HSet(t.Context(), redisKey, strconv.FormatInt(second, 10), n).Err(); err != nil {
		t.Fatal(err)
	}
}

// Where time does not matter, both limiters decide alike.
func TestParity(t *testing.T) {
	t.Parallel()
	shared, _ := setup(t)
	local := limit.NewBuckets()
	for i, ask := range []func(limit.Limiter) limit.Decision{
		func(l limit.Limiter) limit.Decision { return l.Peek(t.Context(), "k", 3) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 4) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 1) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 3) },
		func(l limit.Limiter) limit.Decision { return l.Peek(t.Context(), "k", 3) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 2) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 1) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 3, 4) },
		func(l limit.Limiter) limit.Decision { return l.Peek(t.Context(), "k", 3) },
		func(l limit.Limiter) limit.Decision { return l.Peek(t.Context(), "k", 2) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "k", 0, 1000) },
		func(l limit.Limiter) limit.Decision { return l.Peek(t.Context(), "k", 0) },
		func(l limit.Limiter) limit.Decision { return l.Take(t.Context(), "other", 3, 3) },
	} {
		got, want := ask(shared), ask(local)
		if got.Allowed != want.Allowed || got.Limit != want.Limit || got.Remaining != want.Remaining ||
			(got.RetryAfter > 0) != (want.RetryAfter > 0) || (got.Reset > 0) != (want.Reset > 0) {
			t.Errorf("%d: Redis %+v, buckets %+v", i, got, want)
		}
	}
}

// A second counts until it has left the window for good, and n fit when enough of them have.
func TestRedisWindow(t *testing.T) {
	t.Parallel()
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		l, client := setup(t)
		now := present(t, client)
		plant(t, client, now-61, 100) // gone
		plant(t, client, now-30, 3)
		plant(t, client, now-20, 5)
		d := l.Peek(t.Context(), "k", 10)
		if !d.Allowed || d.Remaining != 2 || d.Reset <= 0 || d.Reset > 41*time.Second {
			t.Errorf("%+v", d)
		}
		d = l.Take(t.Context(), "k", 10, 5)
		if d.Allowed || d.RetryAfter <= 0 || d.RetryAfter > 31*time.Second {
			t.Errorf("5 fit when the first second has left, after 31 s at most: %+v", d)
		}
		longer := l.Take(t.Context(), "k", 10, 6)
		if longer.Allowed || longer.RetryAfter <= d.RetryAfter || longer.RetryAfter > 41*time.Second {
			t.Errorf("6 fit when the other has left too, after 41 s at most: %+v", longer)
		}
	})
	t.Run("Waited", func(t *testing.T) {
		t.Parallel()
		l, client := setup(t)
		plant(t, client, present(t, client)-59, 10)
		d := l.Take(t.Context(), "k", 10, 1)
		if d.Allowed || d.RetryAfter <= 0 || d.RetryAfter > 2*time.Second {
			t.Fatalf("%+v", d)
		}
		<-time.After(d.RetryAfter) // as it was told; less than 2 s
		if d = l.Take(t.Context(), "k", 10, 1); !d.Allowed || d.Remaining != 9 {
			t.Errorf("waited as long as told, and got %+v", d)
		}
	})
	t.Run("ClockSetBack", func(t *testing.T) {
		t.Parallel()
		l, client := setup(t)
		plant(t, client, present(t, client)+1000, 10)
		d := l.Take(t.Context(), "k", 10, 1)
		if d.Allowed || d.RetryAfter > limit.Window+time.Second {
			t.Errorf("%+v, want a refusal for no longer than a window", d)
		}
		if d = l.Take(t.Context(), "k", 11, 1); !d.Allowed || d.Remaining != 0 || d.Reset > limit.Window+time.Second {
			t.Errorf("%+v", d)
		}
	})
	t.Run("Bounded", func(t *testing.T) {
		t.Parallel()
		l, client := setup(t)
		now := present(t, client)
		for second := now - 1000; second < now; second++ {
			plant(t, client, second, 1)
		}
		l.Take(t.Context(), "k", 1000, 1)
		if n := client.HLen(t.Context(), redisKey).Val(); n > 61 {
			t.Errorf("Redis keeps %d seconds of a key", n)
		}
		if ttl := client.PTTL(t.Context(), redisKey).Val(); ttl <= 0 || ttl > limit.Window+time.Second {
			t.Errorf("Redis keeps a key for %s", ttl)
		}
	})
	t.Run("ChangedLimit", func(t *testing.T) {
		t.Parallel()
		l, _ := setup(t)
		l.Take(t.Context(), "k", 10, 10)
		if d := l.Peek(t.Context(), "k", 15); !d.Allowed || d.Remaining != 5 {
			t.Errorf("%+v, want 5 of 15", d)
		}
		if d := l.Peek(t.Context(), "k", 5); d.Allowed || d.Remaining != 0 || d.RetryAfter <= 0 {
			t.Errorf("%+v, want 0 of 5", d)
		}
	})
}

// However many instances there are, and whatever somebody else put under the name, a key gets its limit.
func TestRedisTogether(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	var instances [2]*limit.Redis
	for i := range instances {
		conn, _ := connect(t, server.URL, nil)
		instances[i] = limit.NewRedis(conn)
	}
	var allowed atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				if instances[i%2].Take(t.Context(), "k", 100, 2).Allowed {
					allowed.Add(2)
				}
			}
		})
	}
	all.Wait()
	if n := allowed.Load(); n != 100 {
		t.Errorf("%d of 800 requests passed a limit of 100", n)
	}
}

func TestRedisDisturbed(t *testing.T) {
	t.Parallel()
	take := func(t *testing.T, l *limit.Redis, allowed bool) {
		t.Helper()
		if d := l.Take(t.Context(), "k", 2, 1); d.Allowed != allowed {
			t.Errorf("%+v", d)
		}
	}
	for name, disturb := range map[string]func(context.Context, *redis.Client) error{
		"SCRIPT FLUSH": func(ctx context.Context, c *redis.Client) error { return c.ScriptFlush(ctx).Err() },
		"Garbage": func(ctx context.Context, c *redis.Client) error {
			return c.HSet(ctx, redisKey, "x", "1", "2", "y", strconv.FormatInt(time.Now().Unix(), 10)+"x", "9").Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, client := setup(t)
			take(t, l, true)
			if err := disturb(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			take(t, l, true)
			take(t, l, false)
		})
	}
	for name, reset := range map[string]func(context.Context, *redis.Client) error{
		"FLUSHALL":  func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() },
		"WrongType": func(ctx context.Context, c *redis.Client) error { return c.Set(ctx, redisKey, "x", 0).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, client := setup(t)
			take(t, l, true)
			if err := reset(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			take(t, l, true)
			take(t, l, true)
			take(t, l, false)
		})
	}
}

// While Redis is away each instance limits by itself, and the log says so once.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	var log bytes.Buffer
	var mu sync.Mutex
	lines := func(text string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), text)
	}
	conn, client := connect(t, server.URL, slog.New(slog.NewTextHandler(locked{&mu, &log}, nil)))
	l := limit.NewRedis(conn)
	if d := l.Take(t.Context(), "k", 3, 3); !d.Allowed {
		t.Fatalf("%+v", d)
	}
	server.Stop()
	for i, allowed := range []bool{true, true, true, false} {
		if d := l.Take(t.Context(), "k", 3, 1); d.Allowed != allowed {
			t.Errorf("request %d without Redis: %+v", i, d)
		}
	}
	if d := l.Peek(t.Context(), "k", 3); d.Allowed {
		t.Errorf("%+v", d)
	}
	server.Start()
	harness.Eventually(t, 20*time.Second, "Redis to count again", func() error {
		l.Take(t.Context(), "k", 1000, 1)
		if client.Exists(t.Context(), redisKey).Val() == 0 {
			return redisconn.ErrAway
		}
		return nil
	})
	if away, back := lines("level=WARN"), lines("level=INFO"); away != 1 || back != 1 {
		t.Errorf("%d lines say that it went, %d that it is back, want 1 each", away, back)
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}
