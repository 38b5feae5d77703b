// Package storetest is the suite that every engine passes: what store's interfaces promise, as tests. It knows no
// engine.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// Options says what kind of store a test wants.
type Options struct {
	// IdempotencyTTL is how long keys are remembered.
	IdempotencyTTL time.Duration
}

// Open returns an empty store that is closed when the test ends.
type Open func(t *testing.T, opts Options) store.Store

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Open){
		"Append":      testAppend,
		"Payload":     testPayload,
		"Idempotency": testIdempotency,
		"Event":       testEvent,
		"List":        testList,
		"Filters":     testFilters,
		"Pages":       testPages,
		"Acknowledge": testAcknowledge,
		"Delete":      testDelete,
		"Purge":       testPurge,
		"Concurrency": testConcurrency,
		"Closed":      testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

const (
	tenantA = "tenant_a"
	tenantB = "tenant_b"
	day     = 24 * time.Hour
)

func setup(t *testing.T, open Open) (context.Context, store.Store) {
	t.Helper()
	return t.Context(), open(t, Options{IdempotencyTTL: time.Hour})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func plain() store.NewEvent { return store.NewEvent{Payload: json.RawMessage(`{}`)} }

// appendAll stores the events, all of which must be accepted, and returns their ids.
func appendAll(t *testing.T, s store.Store, tenant string, events ...store.NewEvent) []store.EventID {
	t.Helper()
	receipts, err := s.Append(t.Context(), tenant, events)
	must(t, err)
	if len(receipts) != len(events) {
		t.Fatalf("%d receipts for %d events", len(receipts), len(events))
	}
	ids := make([]store.EventID, len(receipts))
	for i, r := range receipts {
		if r.Outcome != store.Accepted {
			t.Fatalf("event %d: outcome %d, want accepted", i, r.Outcome)
		}
		ids[i] = r.ID
	}
	return ids
}

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
		if len(page.Events) == 0 {
			t.Fatal("an empty page that promises more")
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
	got := idsOf(events)
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// eventually calls probe until it answers true.
func eventually(t *testing.T, what string, probe func() bool) {
	t.Helper()
	const timeout = 20 * time.Second
	for deadline := time.Now().Add(timeout); !probe(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", timeout, what)
		}
	}
}
