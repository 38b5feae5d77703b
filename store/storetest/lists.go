package storetest

import (
	"slices"
	"testing"

	"github.com/triggers-api/triggers/store"
)

// list follows the cursor to the end and checks the order on the way.
func list(t *testing.T, s store.Store, params store.ListParams) []store.Event {
	t.Helper()
	if params.Status == "" {
		params.Status = store.Pending
	}
	if params.TenantID == "" {
		params.TenantID = tenantA
	}
	if params.Limit == 0 {
		params.Limit = 100
	}
	var all []store.Event
	for {
		page, err := s.List(t.Context(), params)
		must(t, err)
		if len(page.Events) > params.Limit {
			t.Fatalf("a page of %d events, limit %d", len(page.Events), params.Limit)
		}
		for _, e := range page.Events {
			if n := len(all); n > 0 && all[n-1].ID.Compare(e.ID) >= 0 {
				t.Fatalf("%s comes after %s", e.ID, all[n-1].ID)
			}
			all = append(all, e)
		}
		if !page.More {
			return all
		}
		if n := len(page.Events); n == 0 || (n < params.Limit && params.MaxBytes == 0) {
			t.Fatalf("a page of %d events that promises more, limit %d", n, params.Limit)
		}
		params.After = store.Cursor{ID: page.Events[len(page.Events)-1].ID}
	}
}

func idsOf(events []store.Event) []store.EventID {
	ids := make([]store.EventID, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

func wantIDs(t *testing.T, events []store.Event, want ...store.EventID) {
	t.Helper()
	if got := idsOf(events); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// wantList checks what a list holds: at once, or within moments where lists may be behind.
func wantList(t *testing.T, s store.Store, params store.ListParams, want ...store.EventID) {
	t.Helper()
	if s.Traits().FreshLists {
		wantIDs(t, list(t, s, params), want...)
		return
	}
	var got []store.EventID
	defer func() {
		if t.Failed() {
			t.Logf("got %v, want %v", got, want)
		}
	}()
	eventually(t, "the list", func() bool {
		got = idsOf(list(t, s, params))
		return slices.Equal(got, want)
	})
}
