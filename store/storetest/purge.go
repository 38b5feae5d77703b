package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// purge purges to the end, which comes within a bounded number of steps, and returns how many events were removed.
func purge(t *testing.T, s store.Store, tenant string, before time.Time) (removed int) {
	t.Helper()
	for range 1000 {
		n, more, err := s.Purge(t.Context(), tenant, before)
		must(t, err)
		removed += n
		if !more {
			return removed
		}
	}
	t.Fatal("purging does not come to an end")
	return 0
}

func forget(t *testing.T, s store.Store, tenant string, before time.Time) {
	t.Helper()
	toTheEnd(t, func() (bool, error) { return s.Forget(t.Context(), tenant, before) })
}

func expire(t *testing.T, s store.Store) {
	t.Helper()
	toTheEnd(t, func() (bool, error) { return s.Expire(t.Context()) })
}

func toTheEnd(t *testing.T, step func() (more bool, err error)) {
	t.Helper()
	for range 1000 {
		more, err := step()
		must(t, err)
		if !more {
			return
		}
	}
	t.Fatal("it does not come to an end")
}

// later returns the id of an event of another tenant that was created in a later millisecond.
func later(t *testing.T, s store.Store, than store.EventID) (id store.EventID) {
	t.Helper()
	eventually(t, "the next millisecond", func() bool {
		id = appendAll(t, s, tenantB, plain())[0]
		return id.Time().After(than.Time())
	})
	return id
}

func testPurge(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, h)
		ids := appendMany(t, s, tenantA, 1200) // more than one step
		_, err := s.Acknowledge(ctx, tenantA, ids[:10])
		must(t, err)
		_, err = s.Delete(ctx, tenantA, ids[5:20])
		must(t, err)
		for _, before := range []time.Time{{}, ids[0].Time()} {
			if n := purge(t, s, tenantA, before); n != 0 {
				t.Fatalf("%d events went, nothing was old enough", n)
			}
		}
		wantList(t, s, store.ListParams{Limit: 500}, ids[20:]...)
		keep := later(t, s, ids[len(ids)-1])
		if n := purge(t, s, tenantA, keep.Time()); n != len(ids) {
			t.Errorf("%d events went of %d", n, len(ids))
		}
		for _, status := range []store.Status{store.Pending, store.Acknowledged, store.Deleted} {
			wantList(t, s, store.ListParams{Status: status})
		}
		for _, id := range []store.EventID{ids[0], ids[7], ids[19], ids[1199]} {
			_, err = s.Event(ctx, tenantA, id)
			wantError(t, err, store.ErrNotFound)
		}
		_, err = s.Event(ctx, tenantB, keep)
		must(t, err)
		got, err := s.Acknowledge(ctx, tenantA, ids[:1])
		must(t, err)
		wantError(t, got[0].Err, store.ErrNotFound)
	})
	t.Run("Bound", func(t *testing.T) {
		// Exclusive, to the millisecond and below.
		ctx, s := setup(t, h)
		id := appendAll(t, s, tenantA, plain())[0]
		if n := purge(t, s, tenantA, id.Time()); n != 0 {
			t.Errorf("%d events went", n)
		}
		if n := purge(t, s, tenantA, id.Time().Add(time.Microsecond)); n != 1 {
			t.Errorf("%d events went", n)
		}
		_, err := s.Event(ctx, tenantA, id)
		wantError(t, err, store.ErrNotFound)
	})
	t.Run("OtherTenants", func(t *testing.T) {
		ctx, s := setup(t, h)
		before := appendAll(t, s, "tenant", plain())[0]
		purged := appendAll(t, s, tenantA, plain())[0]
		after := appendAll(t, s, "tenant_aa", plain())[0]
		if n := purge(t, s, tenantA, time.Now().Add(day)); n != 1 {
			t.Errorf("%d events went", n)
		}
		_, err := s.Event(ctx, tenantA, purged)
		wantError(t, err, store.ErrNotFound)
		wantList(t, s, store.ListParams{TenantID: "tenant"}, before)
		wantList(t, s, store.ListParams{TenantID: "tenant_aa"}, after)
		if n := purge(t, s, "nobody", time.Now().Add(day)); n != 0 {
			t.Errorf("%d events of nobody's went", n)
		}
	})
	t.Run("Large", func(t *testing.T) {
		// Payloads of a size that one step does not take all of.
		_, s := setup(t, h)
		for range 6 {
			appendAll(t, s, tenantA, store.NewEvent{Payload: json.RawMessage(`{"x":"` + strings.Repeat("x", 1_000_000) + `"}`)})
		}
		if n := purge(t, s, tenantA, time.Now().Add(day)); n != 6 {
			t.Errorf("%d events went", n)
		}
	})
	t.Run("KeepsKeys", func(t *testing.T) {
		ctx, s := setup(t, h)
		id := appendAll(t, s, tenantA, keyed("k"))[0]
		purge(t, s, tenantA, time.Now().Add(day))
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{keyed("k")})
		must(t, err)
		if want := (store.Receipt{ID: id, Outcome: store.Duplicate}); receipts[0] != want {
			t.Errorf("got %+v, want %+v: a key outlives its event", receipts[0], want)
		}
	})
}

func testForget(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, h)
		first := appendAll(t, s, tenantA, keyed("k"))[0]
		other := appendAll(t, s, "tenant_aa", keyed("k"))[0]
		forget(t, s, tenantA, first.Time()) // exclusive
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{keyed("k")})
		must(t, err)
		if receipts[0] != (store.Receipt{ID: first, Outcome: store.Duplicate}) {
			t.Errorf("%+v, nothing was old enough to be forgotten", receipts[0])
		}
		forget(t, s, tenantA, time.Now().Add(day))
		second := appendAll(t, s, tenantA, keyed("k"))[0]
		receipts, err = s.Append(ctx, "tenant_aa", []store.NewEvent{keyed("k")})
		must(t, err)
		if receipts[0] != (store.Receipt{ID: other, Outcome: store.Duplicate}) {
			t.Errorf("another tenant's key: %+v", receipts[0])
		}
		wantList(t, s, store.ListParams{}, first, second)
	})
	t.Run("Many", func(t *testing.T) {
		_, s := setup(t, h)
		old := appendKeyed(t, s, tenantA, "old", 1100) // more than one step
		recent := later(t, s, old[len(old)-1])
		kept := appendAll(t, s, tenantA, keyed("recent"))[0]
		forget(t, s, tenantA, recent.Time())
		keys, err := s.IdempotencyKeys(t.Context(), tenantA, "", 10)
		must(t, err)
		if len(keys) != 1 || keys[0].EventID != kept {
			t.Errorf("left: %+v", keys)
		}
	})
}

func testExpire(t *testing.T, h Harness) {
	t.Run("IdempotencyKeys", func(t *testing.T) {
		// Whether it is Expire that removes them or the engine itself: what is still remembered stays.
		ctx, s := setup(t, h)
		first := appendAll(t, s, tenantA, keyed("k"))[0]
		expire(t, s)
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{keyed("k")})
		must(t, err)
		if receipts[0] != (store.Receipt{ID: first, Outcome: store.Duplicate}) {
			t.Errorf("%+v", receipts[0])
		}
	})
	t.Run("Many", func(t *testing.T) {
		s := h.Open(t, Options{IdempotencyTTL: time.Millisecond})
		for i := range 11 {
			appendKeyed(t, s, "tenant_"+string(rune('a'+i)), "k", 100)
		}
		expire(t, s)
		appendKeyed(t, s, tenantA, "again", 1)
	})
}
