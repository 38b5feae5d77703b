package limit

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/triggers-api/triggers/redisconn"
)

//go:embed window.lua
var windowSource string

var windowScript = redis.NewScript(windowSource)

// redisPrefix comes before a limiter's key. Each call has one, so that a Redis Cluster can run it.
const redisPrefix = "trg:limit:"

// Redis is a sliding window for each key, common to all processes that use the same Redis. No period of a Window ever
// sees more requests than the limit; because a request counts by the second it was made in, it may take up to a second
// longer than a Window until it no longer does. Redis forgets keys that are not used. While Redis is away, each process
// limits by itself, with Buckets that do not know what was drawn before.
type Redis struct {
	conn  *redisconn.Conn
	local *Buckets
}

// NewRedis returns a limiter on a connection, which the caller closes after it.
func NewRedis(conn *redisconn.Conn) *Redis {
	return &Redis{conn: conn, local: NewBuckets()}
}

// Take implements Limiter.
func (r *Redis) Take(ctx context.Context, key string, limit, n int) Decision {
	if limit == 0 {
		return Decision{Allowed: true}
	}
	d, err := r.decide(ctx, key, limit, n, true)
	if err != nil {
		return r.local.Take(ctx, key, limit, n)
	}
	return d
}

// Peek implements Limiter.
func (r *Redis) Peek(ctx context.Context, key string, limit int) Decision {
	if limit == 0 {
		return Decision{Allowed: true}
	}
	d, err := r.decide(ctx, key, limit, 1, false)
	if err != nil {
		return r.local.Peek(ctx, key, limit)
	}
	return d
}

func (r *Redis) decide(ctx context.Context, key string, limit, n int, draw bool) (Decision, error) {
	d := Decision{Limit: limit}
	err := r.conn.Do(ctx, func(ctx context.Context, client redis.Cmdable) error {
		found, err := windowScript.Run(ctx, client, []string{redisPrefix + key}, limit, n, draw, int(Window/time.Second)).
			Int64Slice()
		if err != nil {
			return err
		}
		d.Allowed = found[0] == 1
		d.Remaining = max(0, limit-int(found[1]))
		d.RetryAfter = time.Duration(found[2]) * time.Microsecond
		d.Reset = time.Duration(found[3]) * time.Microsecond
		return nil
	})
	return d, err
}
