package storetest

import (
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// beginErasure begins the erasure of all that a tenant has by now.
func beginErasure(t *testing.T, s store.Store, id string) store.Tenant {
	t.Helper()
	before, err := s.Mark(t.Context())
	must(t, err)
	begun, err := store.BeginErasure(t.Context(), s, id, before)
	must(t, err)
	return begun
}

// erase works off a tenant's erasure and returns what is noted of it. Where ids are not assigned in commit order that
// takes its time.
func erase(t *testing.T, s store.Store, id string) store.Erasure {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		toTheEnd(t, func() (bool, error) { return store.EraseStep(t.Context(), s, id) })
		got, err := s.Tenant(t.Context(), id)
		must(t, err)
		if got.Erasure != nil && !got.Erasure.FinishedAt.IsZero() {
			return *got.Erasure
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v %+v", got, got.Erasure)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func testErasure(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		s := setupTenants(t, h)
		ctx := t.Context()
		ids := appendKeyed(t, s, tenantA, "k", 650)
		_, err := s.Delete(ctx, tenantA, ids[:50])
		must(t, err)
		_, err = s.Acknowledge(ctx, tenantA, ids[50:100])
		must(t, err)
		other := appendKeyed(t, s, tenantB, "k", 10)
		begun := beginErasure(t, s, tenantA)
		wantTenant(t, s, begun)
		got := erase(t, s, tenantA)
		if !got.Before.Equal(begun.Erasure.Before) || got.Events != int64(len(ids)) {
			t.Errorf("%+v, begun as %+v", got, begun.Erasure)
		}
		for _, status := range []store.Status{store.Pending, store.Acknowledged, store.Deleted} {
			wantList(t, s, store.ListParams{Status: status})
		}
		keys, err := s.IdempotencyKeys(ctx, tenantA, "", 10)
		must(t, err)
		if len(keys) != 0 {
			t.Errorf("left: %+v", keys)
		}
		appendKeyed(t, s, tenantA, "k", 10)
		wantList(t, s, store.ListParams{TenantID: tenantB}, other...)
	})
	t.Run("KeepsLater", func(t *testing.T) {
		s := setupTenants(t, h)
		appendAll(t, s, tenantA, keyed("k"))
		beginErasure(t, s, tenantA)
		after := appendAll(t, s, tenantA, plain(), keyed("later"))
		erase(t, s, tenantA)
		wantList(t, s, store.ListParams{}, after...)
		receipts, err := s.Append(t.Context(), tenantA, []store.NewEvent{keyed("later")})
		must(t, err)
		if want := (store.Receipt{ID: after[1], Outcome: store.Duplicate}); receipts[0] != want {
			t.Errorf("got %+v, want %+v", receipts[0], want)
		}
	})
	t.Run("Nothing", func(t *testing.T) {
		s := setupTenants(t, h)
		if more, err := store.EraseStep(t.Context(), s, tenantA); more || err != nil {
			t.Errorf("%v %v", more, err)
		}
		_, err := store.EraseStep(t.Context(), s, "nobody")
		wantError(t, err, store.ErrNotFound)
		_, err = store.BeginErasure(t.Context(), s, "nobody", store.Now())
		wantError(t, err, store.ErrNotFound)
	})
}
