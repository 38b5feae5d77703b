package redisconn

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// probe does what the users of a connection do, write and run scripts: a Redis that is full, or a replica, answers a
// PING all the same.
var probe = redis.NewScript(`return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])`)

const probeKey = "trg:probe"

// lose has calls go without Redis until a probe succeeds.
func (c *Conn) lose(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.away.Swap(true) {
		return
	}
	c.log.Warn("rate limits are per instance while Redis is away, and known idempotency keys come from the store alone",
		"error", cause)
	c.watching.Go(c.watch)
}

// watch probes until Redis is back or the connection is closed.
func (c *Conn) watch() {
	next := time.NewTicker(probeEvery)
	defer next.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-next.C:
		}
		err := c.bounded(context.Background(), func(ctx context.Context, client redis.Cmdable) error {
			return probe.Run(ctx, client, []string{probeKey}, probeEvery.Milliseconds()).Err()
		})
		if err == nil {
			c.log.Info("Redis is back")
			c.away.Store(false)
			return
		}
	}
}
