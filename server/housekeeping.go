package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// purgeEvery is how often the store is looked through for what has outlived its time.
	purgeEvery = time.Minute
	// eraseEvery is how often tenants are looked through for data that is to be erased, in case that nobody here was
	// told or another instance did not finish.
	eraseEvery = 15 * time.Second
	// keyUsesEvery is how often the store is told when API keys were last used.
	keyUsesEvery = 20 * time.Second
	// stepPause lets other writers go first between two steps.
	stepPause = 20 * time.Millisecond
	// stepTimeout bounds one step.
	stepTimeout = 30 * time.Second
	// tenantsPage is how many tenants are read at once.
	tenantsPage = 500
)

// housekeeper does in the background what no request waits for. Several instances may do so at once on one store.
type housekeeper struct {
	store     func() (store.Store, error)
	retention *retention
	log       *slog.Logger
	wake      chan struct{} // holds a token while there is something to be erased
}

func newHousekeeper(s func() (store.Store, error), r *retention, log *slog.Logger) *housekeeper {
	return &housekeeper{store: s, retention: r, log: log, wake: make(chan struct{}, 1)}
}

// eraseSoon has tenants' data erased without waiting for the next round.
func (h *housekeeper) eraseSoon() {
	select {
	case h.wake <- struct{}{}:
	default: // it will happen already
	}
}

// start begins. noteKeyUses is called every now and then. The function it returns stops everything and waits for that.
func (h *housekeeper) start(noteKeyUses func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, job := range []struct {
		name  string
		every time.Duration
		wake  <-chan struct{}
		do    func(context.Context) error
	}{
		{"retention", purgeEvery, nil, h.purge},
		{"erasure", eraseEvery, h.wake, h.erase},
		{"last use of API keys", keyUsesEvery, nil, noteKeyUses},
	} {
		loops.Go(func() {
			for {
				if err := job.do(ctx); err != nil && ctx.Err() == nil {
					h.log.Warn("housekeeping failed, will try again", "job", job.name, "error", err.Error())
				}
				select {
				case <-ctx.Done():
					return
				case <-job.wake:
				case <-time.After(job.every + rand.N(job.every/10)): //nolint:gosec // so that instances take turns
				}
			}
		})
	}
	return func() {
		cancel()
		loops.Wait()
		// What was used since the last round, while the store is still there.
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		defer cancel()
		if err := noteKeyUses(ctx); err != nil {
			h.log.Warn("the last use of API keys could not be noted", "error", err.Error())
		}
	}
}

// purge removes what retention does not keep.
func (h *housekeeper) purge(ctx context.Context) error {
	s, err := h.store()
	if err != nil {
		return nil //nolint:nilerr // whoever opens the store reports it
	}
	own := map[string]time.Duration{}
	if err := eachTenant(ctx, s, func(t *store.Tenant) error {
		if t.RetentionDays != nil {
			own[t.ID] = days(*t.RetentionDays)
		}
		return nil
	}); err != nil {
		return err
	}
	h.retention.own.Store(&own)
	if err := repeat(ctx, s.Expire); err != nil {
		return err
	}
	var failed error
	for after := ""; ; {
		tenants, err := tenantsWithEvents(ctx, s, after)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, tenant := range tenants {
			keep := h.retention.of(tenant)
			if keep == 0 {
				continue
			}
			// What is wrong with one tenant is not to be the others' loss.
			failed = errors.Join(failed, repeat(ctx, func(ctx context.Context) (bool, error) {
				_, more, err := s.Purge(ctx, tenant, time.Now().Add(-keep))
				return more, err
			}))
			if ctx.Err() != nil {
				return failed
			}
		}
		if len(tenants) < tenantsPage {
			return failed
		}
		after = tenants[len(tenants)-1]
	}
}

// erase goes on with every erasure that has begun.
func (h *housekeeper) erase(ctx context.Context) error {
	s, err := h.store()
	if err != nil {
		return nil //nolint:nilerr // whoever opens the store reports it
	}
	var failed error
	err = eachTenant(ctx, s, func(t *store.Tenant) error {
		if t.Erasure == nil || !t.Erasure.FinishedAt.IsZero() {
			return nil
		}
		failed = errors.Join(failed, repeat(ctx, func(ctx context.Context) (bool, error) { return store.EraseStep(ctx, s, t.ID) }))
		return ctx.Err()
	})
	return errors.Join(failed, err)
}

// repeat does steps until there is no more to do.
func repeat(ctx context.Context, step func(context.Context) (more bool, err error)) error {
	for {
		more, err := func() (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, stepTimeout)
			defer cancel()
			return step(ctx)
		}()
		if err != nil || !more {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stepPause):
		}
	}
}

// eachTenant visits all tenants that the registry has.
func eachTenant(ctx context.Context, r store.Registry, visit func(*store.Tenant) error) error {
	for after := ""; ; {
		tenants, err := func() ([]store.Tenant, error) {
			ctx, cancel := context.WithTimeout(ctx, stepTimeout)
			defer cancel()
			return r.Tenants(ctx, after, tenantsPage)
		}()
		if err != nil {
			return err
		}
		for i := range tenants {
			if err := visit(&tenants[i]); err != nil {
				return err
			}
		}
		if len(tenants) < tenantsPage {
			return nil
		}
		after = tenants[len(tenants)-1].ID
	}
}

func tenantsWithEvents(ctx context.Context, a store.Archive, after string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return a.TenantsWithEvents(ctx, after, tenantsPage)
}
