package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/triggers-api/triggers/store"
)

const (
	// lookupFresh is how long a finding is good without a second thought.
	lookupFresh = time.Second
	// lookupStale is how long a finding is good while one request looks again, so that the others need not wait.
	lookupStale = 3 * time.Second
	// lookupKept is how long a finding serves while the store is unavailable.
	lookupKept = time.Minute
	// lookupTimeout bounds one look-up, which other requests may be waiting for.
	lookupTimeout = 5 * time.Second
)

// lookups remembers for a moment what was found in the store, so that not every request has to look. A change in the
// store is acted upon within lookupStale and the time of one look-up.
type lookups[K comparable, V any] struct {
	entries *lru.Cache[K, *lookup[V]]
}

// lookup is one key's finding. The lock is held by whoever looks.
type lookup[V any] struct {
	mu    sync.Mutex
	found atomic.Pointer[finding[V]]
}

type finding[V any] struct {
	value V
	err   error     // nil, ErrNotFound, or why the value could not be looked up again
	since time.Time // when value was true
	tried time.Time
}

func newLookups[K comparable, V any](most int) *lookups[K, V] {
	entries, err := lru.New[K, *lookup[V]](most)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &lookups[K, V]{entries: entries}
}

// get returns what find found, now or moments ago.
func (l *lookups[K, V]) get(ctx context.Context, key K, find func(context.Context, K) (V, error)) (V, error) {
	e, ok := l.entries.Get(key)
	if !ok {
		e = &lookup[V]{}
		if earlier, ok, _ := l.entries.PeekOrAdd(key, e); ok {
			e = earlier
		}
	}
	now := time.Now()
	f := e.found.Load()
	switch {
	case f != nil && now.Sub(f.tried) < lookupFresh:
		return f.value, f.err
	case f != nil && now.Sub(f.tried) < lookupStale:
		if !e.mu.TryLock() {
			return f.value, f.err
		}
	default:
		e.mu.Lock()
	}
	defer e.mu.Unlock()
	if f = e.found.Load(); f != nil && time.Since(f.tried) < lookupFresh {
		return f.value, f.err // somebody looked while this request waited
	}
	f = look(ctx, key, find, f)
	e.found.Store(f)
	if errors.Is(f.err, store.ErrNotFound) {
		l.entries.Remove(key) // what is not there must not push out what is
	}
	return f.value, f.err
}

func look[K comparable, V any](ctx context.Context, key K, find func(context.Context, K) (V, error), last *finding[V]) *finding[V] {
	// Not only as long as this request lasts: others may be waiting for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	defer cancel()
	value, err := find(ctx, key)
	now := time.Now()
	if err != nil && !errors.Is(err, store.ErrNotFound) && last != nil && last.err == nil && now.Sub(last.since) < lookupKept {
		return &finding[V]{value: last.value, since: last.since, tried: now}
	}
	return &finding[V]{value: value, err: err, since: now, tried: now}
}
