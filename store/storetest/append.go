package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testAppend(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, h)
		before := time.Now().Truncate(time.Millisecond)
		e := store.NewEvent{Source: "billing", Type: "invoice.paid", Topic: "finance", Payload: json.RawMessage(`{"a":1}`), IdempotencyKey: "k"}
		id := appendAll(t, s, tenantA, e)[0]
		got, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if got.ID != id || got.Source != e.Source || got.Type != e.Type || got.Topic != e.Topic ||
			string(got.Payload) != string(e.Payload) || got.IdempotencyKey != e.IdempotencyKey || got.Status != store.Pending ||
			!got.AcknowledgedAt.IsZero() || !got.DeletedAt.IsZero() {
			t.Fatalf("%+v", got)
		}
		if at := got.CreatedAt(); at.Before(before) || at.After(time.Now()) || at.Location() != time.UTC {
			t.Errorf("created at %s, stored after %s", at, before)
		}
	})
	t.Run("Order", func(t *testing.T) {
		_, s := setup(t, h)
		var want []store.EventID
		for range 5 {
			want = append(want, appendAll(t, s, tenantA, plain(), plain(), plain())...)
		}
		wantList(t, s, store.ListParams{}, want...)
	})
	t.Run("Keyed", func(t *testing.T) {
		// As many as the API takes at once, all with keys; again, all are duplicates.
		ctx, s := setup(t, h)
		var events []store.NewEvent
		for i := range batch {
			events = append(events, keyed(fmt.Sprint("k", i)))
		}
		ids := appendAll(t, s, tenantA, events...)
		wantList(t, s, store.ListParams{}, ids...)
		slices.Reverse(events)
		receipts, err := s.Append(ctx, tenantA, events)
		must(t, err)
		for i, r := range receipts {
			if want := (store.Receipt{ID: ids[len(ids)-1-i], Outcome: store.Duplicate}); r != want {
				t.Errorf("%d: %+v, want %+v", i, r, want)
			}
		}
		wantList(t, s, store.ListParams{}, ids...)
	})
	t.Run("AllOrNone", func(t *testing.T) { testAllOrNone(t, h) })
	t.Run("Names", func(t *testing.T) { testNames(t, h) })
	t.Run("TenantIDs", func(t *testing.T) { testTenantIDs(t, h) })
	t.Run("Done", func(t *testing.T) {
		// A caller that is gone before its turn gets an error, and its event must not turn up later by surprise.
		ctx, s := setup(t, h)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err := s.Append(gone, tenantA, []store.NewEvent{plain()})
		wantError(t, err, store.ErrUnavailable)
		id := appendAll(t, s, tenantA, plain())[0]
		wantList(t, s, store.ListParams{}, id)
	})
}
