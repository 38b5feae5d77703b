package limit

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Buckets is a token bucket for each key, in this process's memory. A bucket holds as many tokens as the key's limit
// and fills evenly over a Window; it starts full, and is forgotten some time after it is full again. When the limit
// changes, the same part of it stays used.
type Buckets struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	swept   time.Time
}

// NewBuckets returns buckets that are all full.
func NewBuckets() *Buckets {
	return &Buckets{now: time.Now, buckets: map[string]*rate.Limiter{}}
}

// Take implements Limiter.
func (b *Buckets) Take(_ context.Context, key string, limit, n int) Decision {
	if limit == 0 {
		return Decision{Allowed: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	bucket := b.bucket(key, limit, now)
	allowed := bucket.AllowN(now, n)
	return decide(bucket.TokensAt(now), limit, n, allowed)
}

// Peek implements Limiter.
func (b *Buckets) Peek(_ context.Context, key string, limit int) Decision {
	if limit == 0 {
		return Decision{Allowed: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	tokens := b.bucket(key, limit, now).TokensAt(now)
	return decide(tokens, limit, 1, tokens >= 1)
}

func decide(tokens float64, limit, n int, allowed bool) Decision {
	tokens = max(0, min(tokens, float64(limit)))
	d := Decision{Allowed: allowed, Limit: limit, Remaining: int(tokens), Reset: filling(float64(limit)-tokens, limit)}
	if !allowed && n <= limit {
		d.RetryAfter = filling(float64(n)-tokens, limit)
	}
	return d
}

// filling is how long it takes to get that many tokens.
func filling(tokens float64, limit int) time.Duration {
	return time.Duration(math.Ceil(max(0, tokens) / float64(limit) * float64(Window)))
}

func (b *Buckets) bucket(key string, limit int, now time.Time) *rate.Limiter {
	b.sweep(now)
	old := b.buckets[key]
	if old != nil && old.Burst() == limit {
		return old
	}
	bucket := rate.NewLimiter(rate.Limit(float64(limit)/Window.Seconds()), limit)
	if old != nil {
		used := (float64(old.Burst()) - old.TokensAt(now)) * float64(limit) / float64(old.Burst())
		bucket.AllowN(now, min(limit, int(math.Ceil(used))))
	}
	b.buckets[key] = bucket
	return bucket
}

// sweep forgets full buckets, so that there are no more than keys that were used in the last two Windows.
func (b *Buckets) sweep(now time.Time) {
	if now.Sub(b.swept) < Window {
		return
	}
	b.swept = now
	maps.DeleteFunc(b.buckets, func(_ string, bucket *rate.Limiter) bool {
		return bucket.TokensAt(now) >= float64(bucket.Burst())
	})
}
