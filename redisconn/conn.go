package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Timeout is how long one call may take, connecting included. It is the same for all calls and for the probe, so
// that the probe does not find a Redis well that is too slow for the next call.
const Timeout = 250 * time.Millisecond

// probeEvery is how long Redis is left alone after a failure, and between two probes.
const probeEvery = time.Second

// ErrAway says that Redis did not do what it was asked for: it cannot be reached, is too slow, or refuses, because it
// is full, read-only or still loading, say. What was asked for may have been done all the same.
var ErrAway = errors.New("redis is away")

// ErrMalformedURL says that a text is not the URL of a Redis.
var ErrMalformedURL = errors.New("must be redis://[user:password@]host[:port][/database], or rediss:// for TLS")

// Conn is a pool of connections to one Redis. It is safe for concurrent use.
type Conn struct {
	client *redis.Client
	log    *slog.Logger
	away   atomic.Bool
	done   chan struct{} // closed by Close

	mu       sync.Mutex // for going away and closing
	closed   bool
	watching sync.WaitGroup
}

// New returns a connection that is made when it is first used. It returns ErrMalformedURL, which does not repeat the
// URL and the password in it. The log, nil for nobody, is told once when Redis goes away and once when it is back.
func New(url string, log *slog.Logger) (*Conn, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, ErrMalformedURL
	}
	opts.ContextTimeoutEnabled = true
	opts.DialTimeout = Timeout
	// Whoever asks goes on without Redis sooner than waiting for it, and what may have been done is not done again.
	opts.MaxRetries = -1
	opts.Dialer = dialer(opts)
	// Nothing here is worth connections and buffers beside the pool's own.
	opts.PipelinePoolSize = -1
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The library would write a line of its own to standard error for every connection that fails.
	logging.Disable()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Conn{client: redis.NewClient(opts), log: log, done: make(chan struct{})}, nil
}

// Do has call talk to Redis, for no longer than Timeout. It returns ErrAway when that failed, and at once without
// trying as long as Redis is known to be away. What call returns has to be nil or an error of the client's.
func (c *Conn) Do(ctx context.Context, call func(context.Context, redis.Cmdable) error) error {
	if c.away.Load() {
		return ErrAway
	}
	err := c.bounded(ctx, call)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: %w", ErrAway, harmless(err))
	// A caller that did not wait says nothing about Redis.
	if ctx.Err() == nil {
		c.lose(err)
	}
	return err
}

func (c *Conn) bounded(ctx context.Context, call func(context.Context, redis.Cmdable) error) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return call(ctx, c.client)
}

// Close ends everything. Calls made later return ErrAway.
func (c *Conn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	c.watching.Wait()
	if err := c.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redis: close: %w", err)
	}
	return nil
}
