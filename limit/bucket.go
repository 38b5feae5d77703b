package limit

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// sweepAt is how many buckets are kept before full ones, which say nothing, are dropped.
const sweepAt = 10_000

// Buckets is a token bucket for each key, in this process's memory. A bucket holds as many tokens as the limit and
// fills evenly over a Window; it starts full.
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
	bucket := b.bucket(key, now)
	allowed := bucket.AllowN(now, n)
	d := b.decision(bucket.TokensAt(now))
	d.Allowed = allowed
	if missing := float64(n) - bucket.TokensAt(now); !allowed && n <= b.limit {
		d.RetryAfter = b.filling(missing)
	}
	return d
}

// Peek implements Limiter.
func (b *Buckets) Peek(_ context.Context, key string) Decision {
	now := b.now()
	d := b.decision(b.bucket(key, now).TokensAt(now))
	d.Allowed = true
	return d
}

func (b *Buckets) decision(tokens float64) Decision {
	tokens = max(0, min(tokens, float64(b.limit)))
	return Decision{Limit: b.limit, Remaining: int(tokens), Reset: b.filling(float64(b.limit) - tokens)}
}

// filling is how long it takes to get that many tokens.
func (b *Buckets) filling(tokens float64) time.Duration {
	return time.Duration(math.Ceil(max(0, tokens) / float64(b.limit) * float64(Window)))
}

func (b *Buckets) bucket(key string, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket := b.buckets[key]
	if bucket == nil {
		if len(b.buckets) >= sweepAt {
			b.sweep(now)
		}
		bucket = rate.NewLimiter(rate.Limit(float64(b.limit)/Window.Seconds()), b.limit)
		b.buckets[key] = bucket
	}
	return bucket
}

func (b *Buckets) sweep(now time.Time) {
	for key, bucket := range b.buckets {
		if bucket.TokensAt(now) >= float64(b.limit) {
			delete(b.buckets, key)
		}
	}
}
