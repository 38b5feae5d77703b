package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/triggers-api/triggers/store"
)

// together runs f n times at once.
func together(n int, f func(i int)) {
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	done.Wait()
}

func testConcurrency(t *testing.T, h Harness) {
	t.Run("OneKey", func(t *testing.T) {
		_, s := setup(t, h)
		oneKey(t, s)
	})
	t.Run("OverlappingBatches", func(t *testing.T) {
		_, s := setup(t, h)
		overlappingBatches(t, s)
	})
	t.Run("OverlappingTransitions", func(t *testing.T) {
		_, s := setup(t, h)
		overlappingTransitions(t, s)
	})
	t.Run("NothingBehindReader", func(t *testing.T) {
		_, s := setup(t, h)
		nothingBehindReader(t, s)
	})
	t.Run("AcknowledgeAndDelete", func(t *testing.T) {
		ctx, s := setup(t, h)
		for range 20 {
			id := appendAll(t, s, tenantA, plain())[0]
			together(8, func(i int) {
				apply := s.Acknowledge
				if i%2 == 0 {
					apply = s.Delete
				}
				got, err := apply(ctx, tenantA, []store.EventID{id})
				if err != nil || (got[0].Err != nil && !errors.Is(got[0].Err, store.ErrDeleted)) {
					t.Errorf("%+v %v", got, err)
				}
			})
			e, err := s.Event(ctx, tenantA, id)
			must(t, err)
			if e.Status != store.Deleted || len(e.Payload) != 0 {
				t.Fatalf("deleted by four, and yet %+v", e)
			}
		}
	})
	t.Run("ReadersAndWriters", func(t *testing.T) {
		ctx, s := setup(t, h)
		together(8, func(i int) {
			tenant := fmt.Sprint("tenant_", i)
			for range 20 {
				receipts, err := s.Append(ctx, tenant, []store.NewEvent{plain()})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Event(ctx, tenant, receipts[0].ID); err != nil {
					t.Errorf("an event that was answered cannot be read: %v", err)
				}
				if _, err := s.Acknowledge(ctx, tenant, []store.EventID{receipts[0].ID}); err != nil {
					t.Error(err)
				}
				if page, err := s.List(ctx, store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 5}); err != nil || len(page.Events) > 0 {
					t.Errorf("%+v %v", page, err)
				}
			}
		})
	})
}

// oneKey has many callers append one event under one key at once, over all instances.
func oneKey(t *testing.T, s ...store.Store) {
	t.Helper()
	receipts := make([]store.Receipt, 50)
	together(len(receipts), func(i int) {
		got, err := s[i%len(s)].Append(t.Context(), tenantA, []store.NewEvent{keyed("k")})
		if err != nil {
			t.Error(err)
			return
		}
		receipts[i] = got[0]
	})
	accepted := 0
	for _, r := range receipts {
		if r.Outcome == store.Accepted {
			accepted++
		}
		if r.ID != receipts[0].ID || r.Outcome == store.KeyReused {
			t.Errorf("%+v and %+v under one key", r, receipts[0])
		}
	}
	if accepted != 1 {
		t.Errorf("accepted %d times", accepted)
	}
	wantList(t, s[0], store.ListParams{}, receipts[0].ID)
}

// overlappingBatches has callers append the same keyed events at once, each in another order, over all instances: nobody
// waits for ever, and each key makes one event.
func overlappingBatches(t *testing.T, s ...store.Store) {
	t.Helper()
	const callers, keys, rounds = 6, 12, 3
	var mu sync.Mutex
	ids, accepted := map[string]store.EventID{}, map[string]int{}
	together(callers, func(caller int) {
		for round := range rounds {
			var events []store.NewEvent
			for i := range keys {
				events = append(events, keyed(fmt.Sprint("k", round, "-", (i+caller*5)%keys)))
			}
			if caller%2 == 1 {
				slices.Reverse(events)
			}
			receipts, err := s[caller%len(s)].Append(t.Context(), tenantA, events)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			for i, r := range receipts {
				key := events[i].IdempotencyKey
				if first, ok := ids[key]; ok && first != r.ID || r.Outcome == store.KeyReused {
					t.Errorf("%s made %s and %+v", key, first, r)
				}
				ids[key] = r.ID
				if r.Outcome == store.Accepted {
					accepted[key]++
				}
			}
			mu.Unlock()
		}
	})
	for key, n := range accepted {
		if n != 1 {
			t.Errorf("%s was accepted %d times", key, n)
		}
	}
	if len(accepted) != keys*rounds {
		t.Errorf("%d keys were accepted of %d", len(accepted), keys*rounds)
	}
	wantList(t, s[0], store.ListParams{}, slices.SortedFunc(maps.Values(ids), store.EventID.Compare)...)
}

// overlappingTransitions has callers acknowledge and delete the same events in opposite orders, over all instances.
func overlappingTransitions(t *testing.T, s ...store.Store) {
	t.Helper()
	const events = 60
	ids := appendMany(t, s[0], tenantA, events)
	last := ids[events-1]
	acknowledged, deleted := ids[:events-1], ids[events/2:events-1]
	together(6, func(caller int) {
		mine, apply, to := slices.Clone(acknowledged), s[caller%len(s)].Acknowledge, store.Acknowledged
		if caller >= 4 {
			mine, apply, to = slices.Clone(deleted), s[caller%len(s)].Delete, store.Deleted
		}
		if caller%4 >= 2 || caller == 5 {
			slices.Reverse(mine)
		}
		got, err := apply(t.Context(), tenantA, mine)
		if err != nil {
			t.Error(err)
			return
		}
		for i, r := range got {
			done := r.Status == to && r.Err == nil
			overtaken := to == store.Acknowledged && r.Status == store.Deleted && errors.Is(r.Err, store.ErrDeleted)
			if r.ID != mine[i] || (!done && !overtaken) {
				t.Errorf("%s: %+v", to, r)
			}
		}
	})
	wantList(t, s[0], store.ListParams{}, last)
	wantList(t, s[0], store.ListParams{Status: store.Acknowledged}, ids[:events/2]...)
	wantList(t, s[0], store.ListParams{Status: store.Deleted}, deleted...)
}

// nothingBehindReader has one reader page through while others append, over all instances: it sees every event exactly
// once. Where ids are not in commit order, a list from the start has to.
func nothingBehindReader(t *testing.T, s ...store.Store) {
	t.Helper()
	const writers, each = 6, 40
	traits := s[0].Traits()
	var written sync.WaitGroup
	stopped := make(chan struct{})
	for i := range writers {
		written.Go(func() {
			for range each {
				if _, err := s[i%len(s)].Append(t.Context(), tenantA, []store.NewEvent{plain()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		written.Wait()
		close(stopped)
	}()
	seen := map[store.EventID]bool{}
	params := store.ListParams{TenantID: tenantA, Status: store.Pending, Limit: 7}
	for last := false; ; {
		page, err := s[0].List(t.Context(), params)
		must(t, err)
		for _, e := range page.Events {
			if seen[e.ID] {
				t.Fatalf("%s was listed twice", e.ID)
			}
			seen[e.ID] = true
			params.After = store.Cursor{ID: e.ID}
		}
		if page.More {
			continue
		}
		if last {
			break
		}
		select {
		case <-stopped:
			last = true // once more, for what came since
		default:
		}
	}
	if !traits.CommitOrder || !traits.FreshLists {
		t.Logf("the reader saw %d events of %d: ids in commit order: %v, fresh lists: %v",
			len(seen), writers*each, traits.CommitOrder, traits.FreshLists)
		eventually(t, "a list from the start to have everything", func() bool {
			return len(list(t, s[0], store.ListParams{})) == writers*each
		})
		return
	}
	if len(seen) != writers*each {
		t.Errorf("saw %d events of %d", len(seen), writers*each)
	}
}
