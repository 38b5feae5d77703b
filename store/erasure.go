package store

import (
	"context"
	"errors"
	"time"
)

// inFlight is how long an append may take from its id to its end, and so how long events of before an erasure may still
// turn up where ids are not assigned in commit order.
const inFlight = 20 * time.Second

// BeginErasure notes that everything of a tenant that was created before the given time is to be erased, and returns the
// tenant with that. An erasure that is going on is extended. It returns ErrNotFound when there is no such tenant.
func BeginErasure(ctx context.Context, r Registry, tenantID string, before time.Time) (Tenant, error) {
	return ChangeTenant(ctx, r, tenantID, func(t *Tenant) error {
		e := Erasure{Before: before}
		if t.Erasure != nil && t.Erasure.FinishedAt.IsZero() {
			e.Events = t.Erasure.Events
		}
		t.Erasure = &e
		return nil
	})
}

// EraseStep does one small step of a tenant's erasure, if there is one to be done, and tells whether there is more that can
// be done now. Several instances may do so at once.
func EraseStep(ctx context.Context, s Store, tenantID string) (more bool, err error) {
	t, err := s.Tenant(ctx, tenantID)
	if err != nil || t.Erasure == nil || !t.Erasure.FinishedAt.IsZero() {
		return false, err
	}
	before := t.Erasure.Before
	removed, more, err := s.Purge(ctx, tenantID, before)
	switch {
	case err != nil:
		return false, err
	case removed > 0:
		return true, countErased(ctx, s, tenantID, removed)
	case more:
		return true, nil
	}
	// Keys go when no event is left: a producer whose key is forgotten sends its event again.
	if more, err = s.Forget(ctx, tenantID, before); err != nil || more {
		return more, err
	}
	if !s.Traits().CommitOrder && time.Since(before) < inFlight {
		return false, nil // later, when no event of before can turn up any more
	}
	return false, finishErasure(ctx, s, tenantID, before)
}

func countErased(ctx context.Context, r Registry, tenantID string, removed int) error {
	_, err := ChangeTenant(ctx, r, tenantID, func(t *Tenant) error {
		t.Erasure.Events += int64(removed)
		return nil
	})
	return err
}

func finishErasure(ctx context.Context, r Registry, tenantID string, before time.Time) error {
	_, err := ChangeTenant(ctx, r, tenantID, func(t *Tenant) error {
		if !t.Erasure.Before.Equal(before) || !t.Erasure.FinishedAt.IsZero() {
			return errNothingToDo // it was extended, or another instance was quicker
		}
		t.Erasure.FinishedAt = Now()
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

var errNothingToDo = errors.New("nothing to do")
