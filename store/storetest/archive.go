package storetest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// imported is a pending event that another store accepted at the given time.
func imported(at time.Time) store.Event {
	id := store.NewIDSource(store.EventID{}).Next()
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(at.UnixMilli())<<16)
	copy(id[:6], head[:6])
	return store.Event{ID: id, Payload: json.RawMessage(`{"imported": true}`), Status: store.Pending}
}

func wantEvent(t *testing.T, s store.Store, tenant string, want store.Event) {
	t.Helper()
	got, err := s.Event(t.Context(), tenant, want.ID)
	must(t, err)
	if len(got.Payload) == 0 {
		got.Payload = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func testArchive(t *testing.T, h Harness) {
	t.Run("Import", func(t *testing.T) {
		ctx, s := setup(t, h)
		pending, acknowledged, deleted, both := imported(moment), imported(moment.Add(1)), imported(moment.Add(day)), imported(moment.Add(time.Millisecond))
		pending.Source, pending.Type, pending.Topic, pending.IdempotencyKey = "s", "t", "p", "k"
		acknowledged.Status, acknowledged.AcknowledgedAt = store.Acknowledged, moment.Add(time.Hour)
		deleted.Status, deleted.DeletedAt, deleted.Payload, deleted.Source = store.Deleted, moment.Add(2*day), nil, "s"
		both.Status, both.AcknowledgedAt, both.DeletedAt, both.Payload = store.Deleted, moment.Add(time.Hour), moment.Add(day), nil
		all := []store.Event{deleted, pending, both, acknowledged} // not in order
		for range 2 {                                              // what is repeated changes nothing
			must(t, s.Import(ctx, tenantA, all, nil))
			for _, e := range all {
				wantEvent(t, s, tenantA, e)
			}
			wantList(t, s, store.ListParams{}, pending.ID)
			wantList(t, s, store.ListParams{Status: store.Acknowledged}, acknowledged.ID)
			wantList(t, s, store.ListParams{Status: store.Deleted}, both.ID, deleted.ID)
			wantList(t, s, store.ListParams{Source: "s", Since: moment, Until: moment.Add(time.Millisecond)}, pending.ID)
		}
		wantList(t, s, store.ListParams{TenantID: tenantB})
		must(t, s.Import(ctx, tenantA, nil, nil))
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: pending.ID, Status: store.Acknowledged})
		transition(t, s.Delete, tenantA, store.Transition{ID: acknowledged.ID, Status: store.Deleted})
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: deleted.ID, Status: store.Deleted, Err: store.ErrDeleted})
		if n := purge(t, s, tenantA, moment.Add(time.Hour)); n != 3 {
			t.Errorf("%d events purged", n)
		}
		wantList(t, s, store.ListParams{Status: store.Deleted}, deleted.ID)
	})
	t.Run("Replace", func(t *testing.T) {
		// An event that is there already gets the status, the names and the payload that are imported.
		ctx, s := setup(t, h)
		e := imported(moment)
		for _, change := range []func(){
			func() {},
			func() { e.Status, e.AcknowledgedAt = store.Acknowledged, moment },
			func() { e.Status, e.DeletedAt, e.Payload = store.Deleted, moment.Add(day), nil },
			func() {
				e.Status, e.Payload = store.Pending, json.RawMessage(`{"again":1}`)
				e.AcknowledgedAt, e.DeletedAt = time.Time{}, time.Time{}
				e.Source, e.Type, e.Topic = "s", "t", "p"
			},
		} {
			change()
			must(t, s.Import(ctx, tenantA, []store.Event{e}, nil))
			wantEvent(t, s, tenantA, e)
			for _, status := range []store.Status{store.Pending, store.Acknowledged, store.Deleted} {
				if status == e.Status {
					wantList(t, s, store.ListParams{Status: status}, e.ID)
				} else {
					wantList(t, s, store.ListParams{Status: status})
				}
			}
		}
	})
	t.Run("LaterIDs", func(t *testing.T) {
		// What is accepted after an import follows it, also when that came from a clock that was ahead.
		ctx, s := setup(t, h)
		first := appendAll(t, s, tenantA, plain())[0]
		ahead, old := imported(time.Now().Add(time.Hour)), imported(moment)
		must(t, s.Import(ctx, tenantB, []store.Event{ahead, old}, nil))
		must(t, s.Import(ctx, tenantB, []store.Event{old}, nil))
		next := appendAll(t, s, tenantA, plain(), keyed("k"))
		if next[0].Compare(ahead.ID) <= 0 || next[1].Compare(next[0]) <= 0 {
			t.Errorf("%s after the import of %s", next, ahead.ID)
		}
		wantList(t, s, store.ListParams{}, first, next[0], next[1])
		wantList(t, s, store.ListParams{TenantID: tenantB}, old.ID, ahead.ID)
	})
	t.Run("Many", func(t *testing.T) {
		ctx, s := setup(t, h)
		var events []store.Event
		var want []store.EventID
		for i := range 700 {
			e := imported(moment.Add(time.Duration(i) * time.Millisecond))
			if i%100 == 0 {
				e.Payload = payloadOf(900_000)
			}
			events, want = append(events, e), append(want, e.ID)
		}
		slices.Reverse(events)
		must(t, s.Import(ctx, tenantA, events, nil))
		wantList(t, s, store.ListParams{MaxBytes: 2 << 20}, want...)
		wantEvent(t, s, tenantA, events[len(events)-1])
	})
	t.Run("Keys", func(t *testing.T) {
		ctx, s := setup(t, h)
		e := keyed("k")
		event := imported(moment)
		event.Payload, event.IdempotencyKey = e.Payload, "k"
		key := store.IdempotencyKey{Key: "k", EventID: event.ID, Fingerprint: e.Fingerprint(), ExpiresAt: store.Now().Add(time.Hour)}
		must(t, s.Import(ctx, tenantA, []store.Event{event}, []store.IdempotencyKey{key}))
		keys, err := s.IdempotencyKeys(ctx, tenantA, "", 10)
		must(t, err)
		if !reflect.DeepEqual(keys, []store.IdempotencyKey{key}) {
			t.Errorf("got %+v, want %+v", keys, key)
		}
		other := e
		other.Payload = json.RawMessage(`{}`)
		for _, c := range []struct {
			event   store.NewEvent
			outcome store.Outcome
		}{{e, store.Duplicate}, {other, store.KeyReused}} {
			receipts, err := s.Append(ctx, tenantA, []store.NewEvent{c.event})
			must(t, err)
			if want := (store.Receipt{ID: event.ID, Outcome: c.outcome}); receipts[0] != want {
				t.Errorf("got %+v, want %+v", receipts[0], want)
			}
		}
		// Its event may be gone, and a key may be there already.
		key.EventID, key.Fingerprint = imported(moment).ID, other.Fingerprint()
		must(t, s.Import(ctx, tenantA, nil, []store.IdempotencyKey{key}))
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{other})
		must(t, err)
		if want := (store.Receipt{ID: key.EventID, Outcome: store.Duplicate}); receipts[0] != want {
			t.Errorf("got %+v, want %+v", receipts[0], want)
		}
		// One that has run its time is not remembered.
		key.Key, key.ExpiresAt = "old", store.Now().Add(-time.Millisecond)
		must(t, s.Import(ctx, tenantA, nil, []store.IdempotencyKey{key}))
		appendAll(t, s, tenantA, keyed("old"))
	})
	t.Run("KeyPages", func(t *testing.T) {
		_, s := setup(t, h)
		ids := map[string]store.EventID{}
		var want []string
		for i, id := range appendKeyed(t, s, tenantA, "key ", 130) {
			name := fmt.Sprintf("key %06d", i)
			ids[name], want = id, append(want, name)
		}
		for _, name := range []string{"!", "KEY 000000", "Key", "a", "~", "key", "key#", "key "} {
			ids[name], want = appendAll(t, s, tenantA, keyed(name))[0], append(want, name)
		}
		appendAll(t, s, tenantB, keyed("b"))
		slices.Sort(want)
		for _, limit := range []int{1, 50, len(want) - 1, len(want), len(want) + 1} {
			wantStrings(t, s, func() []string { return keyNames(t, s, limit, ids) }, want)
		}
	})
	t.Run("KeysExpire", func(t *testing.T) {
		s := h.Open(t, Options{IdempotencyTTL: time.Millisecond})
		appendAll(t, s, tenantA, keyed("k"))
		eventually(t, "the key to be forgotten", func() bool {
			keys, err := s.IdempotencyKeys(t.Context(), tenantA, "", 10)
			must(t, err)
			return len(keys) == 0
		})
	})
	t.Run("TenantsWithEvents", func(t *testing.T) {
		ctx, s := setup(t, h)
		for i := range tenantIDs {
			id := tenantIDs[(i*7)%len(tenantIDs)]
			must(t, s.CreateTenant(ctx, tenant(id)))
			appendAll(t, s, id, plain(), plain())
		}
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: list(t, s, store.ListParams{})[0].ID, Status: store.Acknowledged})
		for _, limit := range []int{1, 5, len(tenantIDs), len(tenantIDs) + 1} {
			wantStrings(t, s, func() []string { return tenantsWithEvents(t, s, limit) }, tenantIDs)
		}
	})
}

// keyNames follows the pages to the end, and checks the keys on the way.
func keyNames(t *testing.T, s store.Store, limit int, ids map[string]store.EventID) (names []string) {
	t.Helper()
	for after := ""; ; after = names[len(names)-1] {
		page, err := s.IdempotencyKeys(t.Context(), tenantA, after, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("a page of %d keys, limit %d", len(page), limit)
		}
		for _, k := range page {
			e := keyed(k.Key)
			if left := time.Until(k.ExpiresAt); k.EventID != ids[k.Key] || k.Fingerprint != e.Fingerprint() ||
				left > time.Hour || left < time.Minute || k.ExpiresAt != k.ExpiresAt.UTC().Truncate(time.Millisecond) {
				t.Errorf("%+v", k)
			}
			names = append(names, k.Key)
		}
		if len(page) < limit {
			return names
		}
	}
}

func tenantsWithEvents(t *testing.T, s store.Store, limit int) (all []string) {
	t.Helper()
	for after := ""; ; after = all[len(all)-1] {
		page, err := s.TenantsWithEvents(t.Context(), after, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("a page of %d tenants, limit %d", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
	}
}
