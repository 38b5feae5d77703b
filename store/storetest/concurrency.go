package storetest

import (
	"errors"
	"fmt"
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

func testConcurrency(t *testing.T, open Open) {
	t.Run("OneKey", func(t *testing.T) {
		ctx, s := setup(t, open)
		keyed := plain()
		keyed.IdempotencyKey = "k"
		receipts := make([]store.Receipt, 50)
		together(len(receipts), func(i int) {
			got, err := s.Append(ctx, tenantA, []store.NewEvent{keyed})
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
			if r.ID != receipts[0].ID {
				t.Errorf("ids %s and %s under one key", r.ID, receipts[0].ID)
			}
		}
		if accepted != 1 {
			t.Errorf("accepted %d times", accepted)
		}
		wantIDs(t, list(t, s, store.ListParams{}), receipts[0].ID)
	})
	t.Run("NothingBehindReader", func(t *testing.T) {
		// Whoever pages through while others append sees every event exactly once.
		const writers, each = 8, 50
		ctx, s := setup(t, open)
		var written sync.WaitGroup
		stopped := make(chan struct{})
		for range writers {
			written.Go(func() {
				for range each {
					if _, err := s.Append(ctx, tenantA, []store.NewEvent{plain()}); err != nil {
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
			page, err := s.List(ctx, params)
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
		if len(seen) != writers*each {
			t.Errorf("saw %d events of %d", len(seen), writers*each)
		}
	})
	t.Run("AcknowledgeAndDelete", func(t *testing.T) {
		ctx, s := setup(t, open)
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
		ctx, s := setup(t, open)
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

func testClosed(t *testing.T, open Open) {
	ctx, s := setup(t, open)
	must(t, s.Check(ctx))
	must(t, s.Close())
	_, err := s.Append(ctx, tenantA, []store.NewEvent{plain()})
	wantError(t, err, store.ErrClosed)
	wantError(t, err, store.ErrUnavailable)
	_, err = s.Acknowledge(ctx, tenantA, []store.EventID{{}})
	wantError(t, err, store.ErrClosed)
	_, err = s.List(ctx, store.ListParams{TenantID: tenantA, Status: store.Pending, Limit: 1})
	wantError(t, err, store.ErrClosed)
	_, err = s.Event(ctx, tenantA, store.EventID{})
	wantError(t, err, store.ErrClosed)
	wantError(t, s.Check(ctx), store.ErrClosed)
	must(t, s.Close())
}
