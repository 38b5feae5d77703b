package limit

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

// stopped returns buckets whose clock only moves when told.
func stopped() (*Buckets, *time.Time) {
	now := time.Date(2025, 11, 11, 10, 0, 0, 0, time.UTC)
	b := NewBuckets()
	b.now = func() time.Time { return now }
	return b, &now
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	b, now := stopped()
	take := func(n int, want Decision) {
		t.Helper()
		if got := b.Take(t.Context(), "k", 60, n); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	peek := func(want Decision) {
		t.Helper()
		if got := b.Peek(t.Context(), "k", 60); got != want {
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
	if got := b.Take(t.Context(), "other", 60, 60); !got.Allowed {
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
	b, _ := stopped()
	var mu sync.Mutex
	allowed := 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 10 {
				if b.Take(t.Context(), "k", 100, 1).Allowed {
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

func TestBucketsUnlimited(t *testing.T) {
	t.Parallel()
	b, _ := stopped()
	want := Decision{Allowed: true}
	if got := b.Take(t.Context(), "k", 0, 1_000_000); got != want {
		t.Errorf("%+v", got)
	}
	if got := b.Peek(t.Context(), "k", 0); got != want {
		t.Errorf("%+v", got)
	}
}

// The part of a limit that is used stays used when the limit changes.
func TestBucketsChangedLimit(t *testing.T) {
	t.Parallel()
	b, now := stopped()
	remaining := func(limit, want int) {
		t.Helper()
		if got := b.Peek(t.Context(), "k", limit); got.Remaining != want || got.Limit != limit {
			t.Fatalf("%+v, want %d of %d", got, want, limit)
		}
	}
	b.Take(t.Context(), "k", 60, 30)
	remaining(120, 60)
	remaining(10, 5)
	remaining(1, 0) // never rounded in the caller's favour
	remaining(1000, 0)
	*now = now.Add(Window / 2)
	remaining(1000, 500)
	*now = now.Add(time.Hour)
	remaining(7, 7)
}

// Buckets that are full again are forgotten, the others are not.
func TestBucketsForget(t *testing.T) {
	t.Parallel()
	b, now := stopped()
	for i := range 1000 {
		b.Take(t.Context(), strconv.Itoa(i), 60, 1)
	}
	*now = now.Add(Window)
	b.Take(t.Context(), "k", 60, 60)
	if n := len(b.buckets); n != 1 {
		t.Errorf("%d buckets after a window, want 1", n)
	}
	*now = now.Add(Window / 2)
	if got := b.Peek(t.Context(), "k", 60); got.Remaining != 30 {
		t.Errorf("%+v, want 30 of 60", got)
	}
}
