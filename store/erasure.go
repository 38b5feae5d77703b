package store

import (
	"context"
	"errors"
	"time"
)

// BeginErasure notes that everything a tenant has by now is to be erased, and returns the tenant with that. An erasure
// that is going on is extended to what came since. It returns ErrNotFound when there is no such tenant.
func BeginErasure(ctx context.Context, r Registry, tenantID string) (Tenant, error) {
	t, err := ChangeTenant(ctx, r, tenantID, func(t *Tenant) error {
		// Ids have whole milliseconds, and what was answered just now has to go too.
		e := Erasure{Before: Now().Add(time.Millisecond)}
		if t.Erasure != nil && t.Erasure.FinishedAt.IsZero() {
			e.Events = t.Erasure.Events
		}
		t.Erasure = &e
		return nil
	})
	if err != nil {
		return Tenant{}, err
	}
	// What comes after the answer stays, also within the millisecond.
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(t.Erasure.Before)):
	}
	return t, nil
}

// EraseStep does one small step of a tenant's erasure, if there is one to be done, and tells whether there is more. Several
// instances may do so at once.
func EraseStep(ctx context.Context, s Store, tenantID string) (more bool, err error) {
	t, err := s.Tenant(ctx, tenantID)
	if err != nil || t.Erasure == nil || !t.Erasure.FinishedAt.IsZero() {
		return false, err
	}
	before := t.Erasure.Before
	removed, more, err := s.Purge(ctx, tenantID, before)
	if err != nil {
		return false, err
	}
	if !more {
		if more, err = s.Forget(ctx, tenantID, before); err != nil {
			return false, err
		}
	}
	if removed == 0 && more {
		return true, nil
	}
	_, err = ChangeTenant(ctx, s, tenantID, func(t *Tenant) error {
		finished := !t.Erasure.FinishedAt.IsZero()
		if finished && removed == 0 {
			return errNothingToDo // another instance was quicker
		}
		t.Erasure.Events += int64(removed)
		if !more && !finished && t.Erasure.Before.Equal(before) {
			t.Erasure.FinishedAt = Now()
		}
		more = t.Erasure.FinishedAt.IsZero()
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return false, nil
	}
	return more, err
}

var errNothingToDo = errors.New("nothing to do")
