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

// opening opens the store and holds it then. A server whose database is away, or has another schema, starts all the same,
// is not ready, and becomes so by itself.
type opening struct {
	open func(context.Context) (store.Store, error)
	log  *slog.Logger

	// failed gets an error with which trying again is of no use.
	failed chan error

	mu     sync.RWMutex
	store  store.Store
	reason error // why there is none yet

	cancel context.CancelFunc
	done   chan struct{} // closed when the store is open, or trying is over
}

var errOpening = fmt.Errorf("%w: it is being opened", store.ErrUnavailable)

// startOpening begins to open the store. It waits for the first attempt, but no longer than patience.
func startOpening(open func(context.Context) (store.Store, error), patience time.Duration, log *slog.Logger) *opening {
	ctx, cancel := context.WithCancel(context.Background())
	o := &opening{open: open, log: log, failed: make(chan error, 1), reason: errOpening, cancel: cancel, done: make(chan struct{})}
	tried := make(chan struct{})
	go o.run(ctx, tried)
	select {
	case <-tried:
	case <-time.After(patience):
	}
	return o
}

func (o *opening) run(ctx context.Context, tried chan<- struct{}) {
	defer close(o.done)
	told := ""
	for {
		err := o.try(ctx)
		useless := err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable)
		if useless {
			o.failed <- err // before anybody who waits for the attempt goes on
		}
		if tried != nil {
			close(tried)
			tried = nil
		}
		switch {
		case err == nil && told == "":
			return
		case err == nil:
			o.log.Info("the store is open")
			return
		case useless, ctx.Err() != nil:
			return
		case err.Error() != told:
			told = err.Error()
			o.log.Error("the store cannot be opened, will try again", "error", told)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(openEvery):
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
