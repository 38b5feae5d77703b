package api

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

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
	// lookupsFound and lookupsMissed bound what is remembered, those that are not there apart: anybody can ask for those,
	// and must not push out what is there.
	lookupsFound  = 50_000
	lookupsMissed = 10_000
)

// lookups remembers for a moment what was found in the store, so that not every request has to look. A change in the
// store is acted upon within lookupStale and the time of one look-up.
type lookups[V any] struct {
	found  *lru.Cache[string, *finding[V]]
	missed *lru.Cache[string, time.Time]
	flight singleflight.Group
}

// finding is what was found in the store. It does not change, but for being looked at again.
type finding[V any] struct {
	value V
	since time.Time // when it was true
	tried time.Time // when it was last looked up, perhaps in vain
	again atomic.Bool
}

func newLookups[V any]() *lookups[V] {
	found, err := lru.New[string, *finding[V]](lookupsFound)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	missed, err := lru.New[string, time.Time](lookupsMissed)
	if err != nil {
		panic(err)
	}
	return &lookups[V]{found: found, missed: missed}
}

// get returns what find found, now or moments ago. It returns ErrNotFound when there is nothing, and find's error.
func (l *lookups[V]) get(ctx context.Context, key string, find func(context.Context) (V, error)) (V, error) {
	now := time.Now()
	f, ok := l.found.Get(key)
	switch {
	case ok && now.Sub(f.tried) < lookupFresh:
		return f.value, nil
	case ok && now.Sub(f.tried) < lookupStale && !f.again.CompareAndSwap(false, true):
		return f.value, nil // somebody is looking
	}
	if !ok {
		if at, ok := l.missed.Get(key); ok && now.Sub(at) < lookupFresh {
			var nothing V
			return nothing, store.ErrNotFound
		}
	}
	result := l.flight.DoChan(key, func() (any, error) { return l.look(ctx, key, f, find) })
	select {
	case r := <-result:
		value, _ := r.Val.(V)
		return value, r.Err
	case <-ctx.Done():
		var nothing V
		return nothing, ctx.Err()
	}
}

func (l *lookups[V]) look(ctx context.Context, key string, last *finding[V], find func(context.Context) (V, error)) (V, error) {
	// Not only as long as this request lasts: others may be waiting for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	defer cancel()
	value, err := find(ctx)
	now := time.Now()
	switch {
	case err == nil:
		l.found.Add(key, &finding[V]{value: value, since: now, tried: now})
	case errors.Is(err, store.ErrNotFound):
		l.found.Remove(key)
		l.missed.Add(key, now)
	case last != nil && now.Sub(last.since) < lookupKept:
		l.found.Add(key, &finding[V]{value: last.value, since: last.since, tried: now})
		return last.value, nil
	}
	return value, err
}
