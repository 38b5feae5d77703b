package redisconn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is a log that can be read.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wantOnce checks that the log says once that Redis went, and once that it is back if it is.
func (j *journal) wantOnce(t *testing.T, back bool) {
	t.Helper()
	times := 0
	if back {
		times = 1
	}
	if text := j.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "level=INFO") != times {
		t.Errorf("want one line when Redis goes and %d when it is back:\n%s", times, text)
	}
}

func open(t *testing.T, url string) (*redisconn.Conn, *journal) {
	t.Helper()
	log := &journal{}
	conn, err := redisconn.New(url, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, log
}

func set(ctx context.Context, client redis.Cmdable) error { return client.Set(ctx, "k", "v", 0).Err() }

func works(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	if err := conn.Do(t.Context(), set); err != nil {
		t.Fatal(err)
	}
}

func wantAway(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	if err := conn.Do(t.Context(), set); !errors.Is(err, redisconn.ErrAway) {
		t.Fatalf("error %v, want %v", err, redisconn.ErrAway)
	}
	err := conn.Do(t.Context(), func(context.Context, redis.Cmdable) error {
		t.Error("a Redis that is away was asked again")
		return nil
	})
	if !errors.Is(err, redisconn.ErrAway) {
		t.Fatalf("error %v, want %v", err, redisconn.ErrAway)
	}
}

func eventuallyBack(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	harness.Eventually(t, 20*time.Second, "Redis to be back", func() error { return conn.Do(t.Context(), set) })
}

func TestNewErrMalformedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:6379", "http://u:secret@h", "redis://u:secret@h:port", "redis://u:secret@h/x",
		"redis://u:secret@h?secret=1",
	} {
		conn, err := redisconn.New(url, nil)
		if !errors.Is(err, redisconn.ErrMalformedURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v %v", url, conn, err)
		}
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	// An outage begins, is told with its reason, and ends.
	for name, c := range map[string]struct {
		begin, end func(*testing.T, *harness.RedisServer)
		reason     string
	}{
		"Stopped": {
			func(_ *testing.T, r *harness.RedisServer) { r.Stop() },
			func(_ *testing.T, r *harness.RedisServer) { r.Start() },
			"connection refused",
		},
		"Paused": {
			func(_ *testing.T, r *harness.RedisServer) { r.Pause() },
			func(_ *testing.T, r *harness.RedisServer) { r.Resume() },
			"",
		},
		"Full": {
			func(t *testing.T, r *harness.RedisServer) { t.Helper(); config(t, r, "maxmemory", "1") },
			func(t *testing.T, r *harness.RedisServer) { t.Helper(); config(t, r, "maxmemory", "0") },
			"OOM",
		},
		"Replica": {
			func(t *testing.T, r *harness.RedisServer) { t.Helper(); command(t, r, "REPLICAOF", "127.0.0.1", "1") },
			func(t *testing.T, r *harness.RedisServer) { t.Helper(); command(t, r, "REPLICAOF", "NO", "ONE") },
			"READONLY",
		},
		"Password": {
			// Connections that are there go on, so they are cut.
			func(t *testing.T, r *harness.RedisServer) {
				t.Helper()
				config(t, r, "requirepass", "secret")
				command(t, r, "CLIENT", "KILL", "TYPE", "normal")
			},
			func(t *testing.T, r *harness.RedisServer) { t.Helper(); config(t, r, "requirepass", "") },
			"NOAUTH",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t)
			conn, log := open(t, server.URL)
			works(t, conn)
			c.begin(t, server)
			wantAway(t, conn)
			log.wantOnce(t, false)
			if !strings.Contains(log.String(), c.reason) {
				t.Errorf("the log does not say %s:\n%s", c.reason, log)
			}
			c.end(t, server)
			eventuallyBack(t, conn)
			log.wantOnce(t, true)
			if strings.Contains(log.String(), "secret") {
				t.Errorf("the log has a password:\n%s", log.String())
			}
		})
	}
}

// A Redis that is full or a replica answers a PING, which must not count as being back.
func TestProbeWrites(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	conn, log := open(t, server.URL)
	config(t, server, "maxmemory", "1")
	wantAway(t, conn)
	client := redis.NewClient(options(t, server))
	defer client.Close()
	harness.Eventually(t, 20*time.Second, "the second probe", func() error {
		_, after, _ := strings.Cut(client.Info(t.Context(), "errorstats").Val(), "errorstat_OOM:count=")
		var refused int
		if _, err := fmt.Sscan(after, &refused); err != nil || refused < 3 {
			return fmt.Errorf("%d refusals, the first call's included", refused)
		}
		return nil
	})
	log.wantOnce(t, false)
}

// However many calls find out together that Redis is gone, it is said once and leaves nothing behind.
func TestTogether(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	conn, log := open(t, server.URL)
	server.Stop()
	const callers = 200
	var all, ready sync.WaitGroup
	ready.Add(callers)
	for range callers {
		all.Go(func() {
			err := conn.Do(t.Context(), func(ctx context.Context, client redis.Cmdable) error {
				ready.Done()
				ready.Wait()
				return set(ctx, client)
			})
			if !errors.Is(err, redisconn.ErrAway) {
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()
	log.wantOnce(t, false)
}

func TestDoErrGone(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	conn, log := open(t, server.URL)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Do(gone, set); !errors.Is(err, redisconn.ErrAway) {
		t.Errorf("error %v", err)
	}
	works(t, conn)
	if log.String() != "" {
		t.Errorf("a caller that went away counts as an outage:\n%s", log)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]bool{"OK": false, "Away": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t)
			conn, _ := open(t, server.URL)
			works(t, conn)
			if stop {
				server.Stop()
				wantAway(t, conn)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if err := conn.Do(t.Context(), set); !errors.Is(err, redisconn.ErrAway) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func options(t *testing.T, r *harness.RedisServer) *redis.Options {
	t.Helper()
	opts, err := redis.ParseURL(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return opts
}

func config(t *testing.T, r *harness.RedisServer, name, value string) {
	t.Helper()
	command(t, r, "CONFIG", "SET", name, value)
}

// command has Redis do something, with its password if it has one.
func command(t *testing.T, r *harness.RedisServer, args ...any) {
	t.Helper()
	opts := options(t, r)
	client := redis.NewClient(opts)
	defer client.Close()
	err := client.Do(t.Context(), args...).Err()
	if redis.HasErrorPrefix(err, "NOAUTH") {
		opts.Password = "secret"
		client := redis.NewClient(opts)
		defer client.Close()
		err = client.Do(t.Context(), args...).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}
