package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/triggers-api/triggers/store"
)

type transitionFunc func(context.Context, string, []store.EventID) ([]store.Transition, error)

func transition(t *testing.T, apply transitionFunc, tenant string, want store.Transition) {
	t.Helper()
	got, err := apply(t.Context(), tenant, []store.EventID{want.ID})
	must(t, err)
	if len(got) != 1 || got[0].ID != want.ID || got[0].Status != want.Status || !errors.Is(got[0].Err, want.Err) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func testAcknowledge(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, h)
		id := appendAll(t, s, tenantA, plain())[0]
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: id, Status: store.Acknowledged})
		first, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if first.Status != store.Acknowledged || first.AcknowledgedAt.Before(first.CreatedAt()) || !first.DeletedAt.IsZero() {
			t.Fatalf("%+v", first)
		}
		// Again changes nothing, not even the time.
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: id, Status: store.Acknowledged})
		again, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if !again.AcknowledgedAt.Equal(first.AcknowledgedAt) || string(again.Payload) != string(first.Payload) {
			t.Fatalf("%+v, before %+v", again, first)
		}
	})
	t.Run("ErrDeleted", func(t *testing.T) {
		_, s := setup(t, h)
		id := appendAll(t, s, tenantA, plain())[0]
		transition(t, s.Delete, tenantA, store.Transition{ID: id, Status: store.Deleted})
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: id, Status: store.Deleted, Err: store.ErrDeleted})
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		ctx, s := setup(t, h)
		id := appendAll(t, s, tenantA, plain())[0]
		transition(t, s.Acknowledge, tenantB, store.Transition{ID: id, Err: store.ErrNotFound})
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: store.NewIDSource(id).Next(), Err: store.ErrNotFound})
		e, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if e.Status != store.Pending {
			t.Errorf("another tenant changed the status to %s", e.Status)
		}
	})
	t.Run("Largest", func(t *testing.T) {
		_, s := setup(t, h)
		testLargest(t, s)
	})
	t.Run("Many", func(t *testing.T) {
		ctx, s := setup(t, h)
		ids := appendAll(t, s, tenantA, plain(), plain(), plain())
		transition(t, s.Delete, tenantA, store.Transition{ID: ids[1], Status: store.Deleted})
		never := store.NewIDSource(ids[2]).Next()
		got, err := s.Acknowledge(ctx, tenantA, []store.EventID{ids[2], never, ids[1], ids[0], ids[2]})
		must(t, err)
		for i, want := range []store.Transition{
			{ID: ids[2], Status: store.Acknowledged},
			{ID: never, Err: store.ErrNotFound},
			{ID: ids[1], Status: store.Deleted, Err: store.ErrDeleted},
			{ID: ids[0], Status: store.Acknowledged},
			{ID: ids[2], Status: store.Acknowledged},
		} {
			if got[i].ID != want.ID || got[i].Status != want.Status || !errors.Is(got[i].Err, want.Err) {
				t.Errorf("%d: got %+v, want %+v", i, got[i], want)
			}
		}
	})
}

// testLargest is about as many ids as the API takes at once, some of them repeated.
func testLargest(t *testing.T, s store.Store) {
	t.Helper()
	const most = 500
	ids := appendMany(t, s, tenantA, most-20)
	asked := slices.Concat(ids, ids[:10], ids[most-30:])
	for _, c := range []struct {
		apply transitionFunc
		to    store.Status
	}{{s.Acknowledge, store.Acknowledged}, {s.Acknowledge, store.Acknowledged}, {s.Delete, store.Deleted}} {
		got, err := c.apply(t.Context(), tenantA, asked)
		must(t, err)
		if len(got) != len(asked) {
			t.Fatalf("%d answers for %d ids", len(got), len(asked))
		}
		for i, r := range got {
			if r != (store.Transition{ID: asked[i], Status: c.to}) {
				t.Fatalf("%d: %+v", i, r)
			}
		}
		wantList(t, s, store.ListParams{})
		wantList(t, s, store.ListParams{Status: c.to}, ids...)
	}
}

func testDelete(t *testing.T, h Harness) {
	tombstone := func(t *testing.T, s store.Store, id store.EventID) store.Event {
		t.Helper()
		e, err := s.Event(t.Context(), tenantA, id)
		must(t, err)
		if e.Status != store.Deleted || len(e.Payload) != 0 || e.IdempotencyKey != "" || e.DeletedAt.Before(e.CreatedAt()) ||
			e.Source != "s" || e.Type != "t" || e.Topic != "p" {
			t.Fatalf("%+v", e)
		}
		return e
	}
	event := plain()
	event.Source, event.Type, event.Topic, event.IdempotencyKey = "s", "t", "p", "k"
	t.Run("Pending", func(t *testing.T) {
		_, s := setup(t, h)
		id := appendAll(t, s, tenantA, event)[0]
		transition(t, s.Delete, tenantA, store.Transition{ID: id, Status: store.Deleted})
		first := tombstone(t, s, id)
		if !first.AcknowledgedAt.IsZero() {
			t.Errorf("%+v", first)
		}
		transition(t, s.Delete, tenantA, store.Transition{ID: id, Status: store.Deleted})
		if again := tombstone(t, s, id); !again.DeletedAt.Equal(first.DeletedAt) {
			t.Errorf("deleted at %s, before %s", again.DeletedAt, first.DeletedAt)
		}
	})
	t.Run("Acknowledged", func(t *testing.T) {
		_, s := setup(t, h)
		id := appendAll(t, s, tenantA, event)[0]
		transition(t, s.Acknowledge, tenantA, store.Transition{ID: id, Status: store.Acknowledged})
		transition(t, s.Delete, tenantA, store.Transition{ID: id, Status: store.Deleted})
		if e := tombstone(t, s, id); e.AcknowledgedAt.IsZero() {
			t.Errorf("%+v", e)
		}
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		ctx, s := setup(t, h)
		id := appendAll(t, s, tenantA, event)[0]
		transition(t, s.Delete, tenantB, store.Transition{ID: id, Err: store.ErrNotFound})
		e, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if e.Status != store.Pending || len(e.Payload) == 0 {
			t.Errorf("another tenant changed %+v", e)
		}
	})
}
