package storetest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// testInstances is about several servers on one store: what holds for one holds for all of them together.
func testInstances(t *testing.T, h Harness) {
	if h.Instances == nil {
		return // see testTraits
	}
	setup := func(t *testing.T, n int) []store.Store {
		t.Helper()
		return h.Instances(t, Options{IdempotencyTTL: time.Hour}, n)
	}
	t.Run("Visible", func(t *testing.T) {
		ctx, s := t.Context(), setup(t, 2)
		id := appendAll(t, s[0], tenantA, keyed("k"))[0]
		e, err := s[1].Event(ctx, tenantA, id)
		must(t, err)
		wantEvent(t, s[0], tenantA, e)
		wantList(t, s[1], store.ListParams{}, id)
		receipts, err := s[1].Append(ctx, tenantA, []store.NewEvent{keyed("k")})
		must(t, err)
		if want := (store.Receipt{ID: id, Outcome: store.Duplicate}); receipts[0] != want {
			t.Errorf("got %+v, want %+v", receipts[0], want)
		}
		transition(t, s[1].Acknowledge, tenantA, store.Transition{ID: id, Status: store.Acknowledged})
		wantList(t, s[0], store.ListParams{})
		transition(t, s[0].Delete, tenantA, store.Transition{ID: id, Status: store.Deleted})
		transition(t, s[1].Acknowledge, tenantA, store.Transition{ID: id, Status: store.Deleted, Err: store.ErrDeleted})
		must(t, s[0].CreateTenant(ctx, tenant(tenantA)))
		k := createKey(t, s[1], newKey(tenantA, ""))
		wantKey(t, s[0], k)
		k, err = s[0].ExpireKey(ctx, tenantA, k.ID, lately)
		must(t, err)
		wantKey(t, s[1], k)
	})
	t.Run("OneKey", func(t *testing.T) { oneKey(t, setup(t, 3)...) })
	t.Run("OverlappingBatches", func(t *testing.T) { overlappingBatches(t, setup(t, 2)...) })
	t.Run("OverlappingTransitions", func(t *testing.T) { overlappingTransitions(t, setup(t, 2)...) })
	t.Run("NothingBehindReader", func(t *testing.T) { nothingBehindReader(t, setup(t, 2)...) })
	t.Run("Mark", func(t *testing.T) { marks(t, setup(t, 2)...) })
	t.Run("ChangeTenant", func(t *testing.T) {
		ctx, s := t.Context(), setup(t, 2)
		must(t, s[0].CreateTenant(ctx, tenant(tenantA)))
		var changed atomic.Int64
		together(4, func(i int) {
			for range 4 {
				_, err := store.ChangeTenant(ctx, s[i%len(s)], tenantA, func(*store.Tenant) error { return nil })
				if err != nil {
					t.Error(err)
					return
				}
				changed.Add(1)
			}
		})
		if got, err := s[0].Tenant(ctx, tenantA); err != nil || got.Version != 1+changed.Load() {
			t.Errorf("%+v %v after %d changes", got, err, changed.Load())
		}
	})
	t.Run("Erase", func(t *testing.T) {
		ctx, s := t.Context(), setup(t, 2)
		must(t, s[0].CreateTenant(ctx, tenant(tenantA)))
		appendKeyed(t, s[0], tenantA, "k", 650)
		beginErasure(t, s[1], tenantA)
		together(2, func(i int) {
			for more := true; more; {
				var err error
				if more, err = store.EraseStep(ctx, s[i], tenantA); err != nil {
					t.Error(err)
				}
			}
		})
		wantList(t, s[0], store.ListParams{})
		erase(t, s[0], tenantA)
	})
	t.Run("TouchKeys", func(t *testing.T) {
		// Each in an order of its own: nobody waits for ever.
		ctx, s := t.Context(), setup(t, 2)
		must(t, s[0].CreateTenant(ctx, tenant(tenantA)))
		var uses []store.KeyUse
		for range 20 {
			uses = append(uses, store.KeyUse{TenantID: tenantA, KeyID: createKey(t, s[0], newKey(tenantA, "")).ID})
		}
		together(6, func(i int) {
			for round := range 5 {
				mine := slices.Clone(uses)
				for n := range mine {
					mine[n].At = lately.Add(time.Duration(round) * time.Minute)
				}
				if i%2 == 1 {
					slices.Reverse(mine)
				}
				if err := s[i%len(s)].TouchKeys(ctx, mine); err != nil {
					t.Error(err)
				}
			}
		})
		keys, err := s[1].Keys(ctx, tenantA, "", len(uses))
		must(t, err)
		for _, k := range keys {
			if want := lately.Add(4 * time.Minute); !k.LastUsedAt.Equal(want) {
				t.Errorf("%s was last used at %s, want %s", k.ID, k.LastUsedAt, want)
			}
		}
	})
	t.Run("CloseOne", func(t *testing.T) {
		ctx, s := t.Context(), setup(t, 2)
		id := appendAll(t, s[0], tenantA, plain())[0]
		must(t, s[0].Close())
		_, err := s[1].Event(ctx, tenantA, id)
		must(t, err)
		appendAll(t, s[1], tenantA, plain())
		must(t, s[1].Check(ctx))
	})
}
