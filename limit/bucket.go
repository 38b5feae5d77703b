package limit

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Buckets is a token bucket for each key, in this process's memory. A bucket holds as many tokens as the limit and
// fills evenly over a Window; it starts full. Buckets are kept for ever: keys are those that an operator gave out.
type Buckets struct {
	limit int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewBuckets returns buckets that allow perMinute requests each minute, which must be positive.
func NewBuckets(perMinute int) *Buckets {
	return &Buckets{limit: perMinute, now: time.Now, buckets: map[string]*rate.Limiter{}}
}

// Take implements Limiter.
func (b *Buckets) Take(_ context.Context, key string, n int) Decision {
	now := b.now()
	bucket := b.bucket(key)
	allowed := bucket.AllowN(now, n)
	return b.decision(bucket.TokensAt(now), n, allowed)
}

// Peek implements Limiter.
func (b *Buckets) Peek(_ context.Context, key string) Decision {
	tokens := b.bucket(key).TokensAt(b.now())
	return b.decision(tokens, 1, tokens >= 1)
}

func (b *Buckets) decision(tokens float64, n int, allowed bool) Decision {
	tokens = max(0, min(tokens, float64(b.limit)))
	d := Decision{Allowed: allowed, Limit: b.limit, Remaining: int(tokens), Reset: b.filling(float64(b.limit) - tokens)}
	if !allowed && n <= b.limit {
		d.RetryAfter = b.filling(float64(n) - tokens)
	}
	return d
}

// filling is how long it takes to get that many tokens.
func (b *Buckets) filling(tokens float64) time.Duration {
	return time.Duration(math.Ceil(max(0, tokens) / float64(b.limit) * float64(Window)))
}

func (b *Buckets) bucket(key string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket := b.buckets[key]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Limit(float64(b.limit)/Window.Seconds()), b.limit)
		b.buckets[key] = bucket
	}
	return bucket
}
