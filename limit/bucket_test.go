package limit

import (
	"sync"
	"testing"
	"time"
)

// stopped returns buckets whose clock only moves when told.
func stopped(perMinute int) (*Buckets, *time.Time) {
	now := time.Date(2025, 11, 11, 10, 0, 0, 0, time.UTC)
	b := NewBuckets(perMinute)
	b.now = func() time.Time { return now }
	return b, &now
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	b, now := stopped(60)
	take := func(n int, want Decision) {
		t.Helper()
		if got := b.Take(t.Context(), "k", n); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	peek := func(want Decision) {
		t.Helper()
		if got := b.Peek(t.Context(), "k"); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	peek(Decision{Allowed: true, Limit: 60, Remaining: 60})
	take(1, Decision{Allowed: true, Limit: 60, Remaining: 59, Reset: time.Second})
	take(59, Decision{Allowed: true, Limit: 60, Remaining: 0, Reset: time.Minute})
	take(1, Decision{Limit: 60, Remaining: 0, Reset: time.Minute, RetryAfter: time.Second})
	take(10, Decision{Limit: 60, Remaining: 0, Reset: time.Minute, RetryAfter: 10 * time.Second})
	take(61, Decision{Limit: 60, Remaining: 0, Reset: time.Minute}) // never
	peek(Decision{Limit: 60, Remaining: 0, Reset: time.Minute, RetryAfter: time.Second})
	if got := b.Take(t.Context(), "other", 60); !got.Allowed {
		t.Errorf("one key's requests count for another: %+v", got)
	}
	*now = now.Add(1500 * time.Millisecond)
	peek(Decision{Allowed: true, Limit: 60, Remaining: 1, Reset: 58500 * time.Millisecond})
	take(2, Decision{Limit: 60, Remaining: 1, Reset: 58500 * time.Millisecond, RetryAfter: 500 * time.Millisecond})
	take(1, Decision{Allowed: true, Limit: 60, Remaining: 0, Reset: 59500 * time.Millisecond})
	*now = now.Add(time.Hour)
	peek(Decision{Allowed: true, Limit: 60, Remaining: 60})
}

func TestBucketsTogether(t *testing.T) {
	t.Parallel()
	b, _ := stopped(100)
	var mu sync.Mutex
	allowed := 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 10 {
				if b.Take(t.Context(), "k", 1).Allowed {
					mu.Lock()
					allowed++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if allowed != 100 {
		t.Errorf("%d of 500 requests passed a limit of 100", allowed)
	}
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	want := Decision{Allowed: true}
	if got := (Unlimited{}).Take(t.Context(), "k", 1_000_000); got != want {
		t.Errorf("%+v", got)
	}
	if got := (Unlimited{}).Peek(t.Context(), "k"); got != want {
		t.Errorf("%+v", got)
	}
}
