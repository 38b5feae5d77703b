package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// testTraits says what is not asked for of this engine.
func testTraits(t *testing.T, h Harness) {
	_, s := setup(t, h)
	traits := s.Traits()
	if !traits.CommitOrder {
		t.Log("ids are not in commit order: a reader may have to start again to see everything")
	}
	if !traits.FreshLists {
		t.Log("lists may be behind: they are read until they are as they should be")
	}
	if traits.AtomicAppend > 0 {
		t.Logf("no more than %d events are stored all or none", traits.AtomicAppend)
	}
	if h.Instances == nil {
		t.Log("one server has the engine to itself: nothing is asked of several instances")
	}
}

// testAllOrNone has callers lose patience while their events are stored. A retry then finds all of them or none.
func testAllOrNone(t *testing.T, h Harness) {
	const rounds = 25
	ctx, s := setup(t, h)
	size := batch
	if most := s.Traits().AtomicAppend; most > 0 {
		size = min(size, most)
	}
	for round := range rounds {
		var events []store.NewEvent
		for i := range size {
			events = append(events, keyed(fmt.Sprint("k", round, "-", i)))
		}
		hurried, cancel := context.WithTimeout(ctx, time.Duration(round)*300*time.Microsecond)
		_, err := s.Append(hurried, tenantA, events)
		cancel()
		if err != nil {
			wantError(t, err, store.ErrUnavailable)
		}
		receipts, err := s.Append(ctx, tenantA, events)
		must(t, err)
		for i, r := range receipts {
			if r.Outcome != receipts[0].Outcome || r.Outcome == store.KeyReused {
				t.Fatalf("round %d: event %d has outcome %d, the first has %d", round, i, r.Outcome, receipts[0].Outcome)
			}
		}
	}
	eventually(t, "the list", func() bool { return len(list(t, s, store.ListParams{Limit: 500})) == rounds*size })
}
