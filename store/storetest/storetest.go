// Package storetest is the suite that every engine passes: what store's interfaces promise, as tests. It knows no
// engine.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// Options says what kind of store a test wants.
type Options struct {
	// IdempotencyTTL is how long keys are remembered.
	IdempotencyTTL time.Duration
}

// Harness opens stores of one engine. What it opens is closed when the test ends.
type Harness struct {
	// Open opens a store on data of its own, which is empty.
	Open func(t *testing.T, opts Options) store.Store

	// Instances opens n stores on the same data, which is empty, as that many servers would. It is nil for an engine that
	// one server has to itself.
	Instances func(t *testing.T, opts Options, n int) []store.Store
}

// Run runs the whole suite. Where the engine promises less than others, its Traits say so, and the log names what is
// not asked for.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Harness){
		"Traits":      testTraits,
		"Append":      testAppend,
		"Payload":     testPayload,
		"Idempotency": testIdempotency,
		"Event":       testEvent,
		"List":        testList,
		"Filters":     testFilters,
		"Pages":       testPages,
		"Acknowledge": testAcknowledge,
		"Delete":      testDelete,
		"Mark":        testMark,
		"Purge":       testPurge,
		"Forget":      testForget,
		"Expire":      testExpire,
		"Concurrency": testConcurrency,
		"Instances":   testInstances,
		"Tenants":     testTenants,
		"Keys":        testKeys,
		"Archive":     testArchive,
		"Erasure":     testErasure,
		"Gone":        testGone,
		"Closed":      testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

const (
	tenantA = "tenant_a"
	tenantB = "tenant_b"
	day     = 24 * time.Hour
)

func setup(t *testing.T, h Harness) (context.Context, store.Store) {
	t.Helper()
	return t.Context(), h.Open(t, Options{IdempotencyTTL: time.Hour})
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

// wantErrorFrom is wantError for goroutines that are not the test's own.
func wantErrorFrom(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
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

// pollPause is how long to leave the engine alone between two looks.
const pollPause = 2 * time.Millisecond

// eventually calls probe until it answers true.
func eventually(t *testing.T, what string, probe func() bool) {
	t.Helper()
	const timeout = 20 * time.Second
	for deadline := time.Now().Add(timeout); !probe(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", timeout, what)
		}
		time.Sleep(pollPause)
	}
}

// keyed is an event with an idempotency key, which is its payload too.
func keyed(key string) store.NewEvent {
	return store.NewEvent{IdempotencyKey: key, Payload: json.RawMessage(`{"key":"` + key + `"}`)}
}

// batch is how many events are appended at a time, as the API does at most.
const batch = 100

// appendMany stores n events in batches.
func appendMany(t *testing.T, s store.Store, tenant string, n int) (ids []store.EventID) {
	t.Helper()
	return appendBatches(t, s, tenant, n, func(int) store.NewEvent { return plain() })
}

// appendKeyed stores n events in batches, each with a key of its own that begins with the given text.
func appendKeyed(t *testing.T, s store.Store, tenant, key string, n int) (ids []store.EventID) {
	t.Helper()
	return appendBatches(t, s, tenant, n, func(i int) store.NewEvent { return keyed(fmt.Sprintf("%s%06d", key, i)) })
}

func appendBatches(t *testing.T, s store.Store, tenant string, n int, event func(i int) store.NewEvent) (ids []store.EventID) {
	t.Helper()
	var events []store.NewEvent
	for i := range n {
		events = append(events, event(i))
		if len(events) == batch || i == n-1 {
			ids = append(ids, appendAll(t, s, tenant, events...)...)
			events = events[:0]
		}
	}
	return ids
}
