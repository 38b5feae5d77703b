package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// openEvery is how often a store that could not be opened is tried again.
	openEvery = time.Second
	// openTimeout bounds one attempt.
	openTimeout = 15 * time.Second
)

// opening holds the store once it is open. A server whose database is away, or has another schema, starts all the same,
// is not ready, and becomes so by itself.
type opening struct {
	open func(context.Context) (store.Store, error)
	log  *slog.Logger

	mu     sync.RWMutex
	store  store.Store
	reason error // why there is none yet

	cancel context.CancelFunc
	done   chan struct{}
}

// startOpening opens the store, in the background if it is unavailable for now. It returns any other error.
func startOpening(ctx context.Context, open func(context.Context) (store.Store, error), log *slog.Logger) (*opening, error) {
	o := &opening{open: open, log: log, done: make(chan struct{})}
	err := o.try(ctx)
	if err == nil {
		close(o.done)
		o.cancel = func() {}
		return o, nil
	}
	if !errors.Is(err, store.ErrUnavailable) {
		return nil, err
	}
	log.Error("the store cannot be opened, will try again", "error", err.Error())
	ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go o.run(ctx)
	return o, nil
}

func (o *opening) run(ctx context.Context) {
	defer close(o.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(openEvery):
		}
		if err := o.try(ctx); err == nil {
			o.log.Info("the store is open")
			return
		}
	}
}

func (o *opening) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := o.open(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.store, o.reason = s, err
	return err
}

// Store returns the store, or why there is none yet: always an ErrUnavailable.
func (o *opening) Store() (store.Store, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.store == nil && !errors.Is(o.reason, store.ErrUnavailable) {
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, o.reason)
	}
	return o.store, o.reason
}

// close gives up trying and closes the store.
func (o *opening) close() error {
	o.cancel()
	<-o.done
	if o.store == nil {
		return nil
	}
	return o.store.Close()
}
