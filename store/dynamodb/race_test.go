package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
)

// before has something happen before the first request of an operation gets through.
func before(operation string, happen func()) fault {
	var once sync.Once
	return func(_ http.ResponseWriter, _ *http.Request, of string, _ func()) bool {
		if of == operation {
			once.Do(happen)
		}
		return false
	}
}

// instances are two stores on one table, the first of them behind a proxy.
func instances(t *testing.T) (s, other *dynamodb.Store, p *proxy) {
	t.Helper()
	opts := options(t)
	p = newProxy(t)
	other = open(t, opts)
	opts.Endpoint = p.URL
	return open(t, opts), other, p
}

// A key that stands for a new event by the time it would be forgotten is still remembered.
func TestForgetMeetsNewEvent(t *testing.T) {
	t.Parallel()
	s, other, p := instances(t)
	ctx := t.Context()
	first, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "k")})
	if err != nil {
		t.Fatal(err)
	}
	mark, err := other.Mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var second []store.Receipt
	p.set(before("DeleteItem", func() {
		if _, err := other.Forget(ctx, tenant, mark); err != nil {
			t.Error(err)
		}
		if second, err = other.Append(ctx, tenant, []store.NewEvent{event(`{}`, "k")}); err != nil {
			t.Error(err)
		}
	}))
	if more, err := s.Forget(ctx, tenant, mark); more || err != nil {
		t.Fatal(more, err)
	}
	third, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "k")})
	if err != nil || second[0].ID == first[0].ID || third[0] != (store.Receipt{ID: second[0].ID, Outcome: store.Duplicate}) {
		t.Errorf("%+v, %+v, %+v, %v", first, second, third, err)
	}
}

// Whoever removed an event counts it, and whoever finds others quicker goes on, because nothing removed means nothing left.
func TestPurgeTogether(t *testing.T) {
	t.Parallel()
	s, other, p := instances(t)
	ctx, later := t.Context(), time.Now().Add(time.Hour)
	ids := store.NewIDSource(store.EventID{})
	var events []store.Event
	for range 520 { // more than one step
		events = append(events, store.Event{ID: ids.Next(), Status: store.Pending, Payload: []byte(`{}`)})
	}
	if err := s.Import(ctx, tenant, events, nil); err != nil {
		t.Fatal(err)
	}
	var first int
	p.set(before("DeleteItem", func() {
		var more bool
		var err error
		if first, more, err = other.Purge(ctx, tenant, later); !more || err != nil {
			t.Error(more, err)
		}
	}))
	second, more, err := s.Purge(ctx, tenant, later)
	if first == 0 || second == 0 || first+second != len(events) || more || err != nil {
		t.Errorf("%d and %d events of %d went, %v %v", first, second, len(events), more, err)
	}
}

// A step looks at so many keys and no more, also when all of them stay, and the next goes on behind it.
func TestForgetGoesOn(t *testing.T) {
	t.Parallel()
	opts := options(t)
	p := newProxy(t)
	opts.Endpoint = p.URL
	s := open(t, opts)
	ctx, now := t.Context(), time.Now()
	expires := now.Add(time.Hour)
	keys := []store.IdempotencyKey{{Key: "z", EventID: store.FirstEventID(now.Add(-2 * time.Hour)), ExpiresAt: expires}}
	for i := range 2500 {
		keys = append(keys, store.IdempotencyKey{Key: fmt.Sprintf("k%04d", i), EventID: store.FirstEventID(now), ExpiresAt: expires})
	}
	if err := s.Import(ctx, tenant, nil, keys); err != nil {
		t.Fatal(err)
	}
	p.forget()
	steps := 1
	for ; ; steps++ {
		more, err := s.Forget(ctx, tenant, now.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if queries := p.count("Query"); steps != 3 || queries != steps {
		t.Errorf("%d steps, %d queries", steps, queries)
	}
	if left, err := s.IdempotencyKeys(ctx, tenant, "k2498", 10); err != nil || len(left) != 1 || left[0].Key != "k2499" {
		t.Errorf("left: %+v %v", left, err)
	}
}

// An event that was acknowledged before its writer tried again, because the answer was lost, stays acknowledged.
func TestAppendAgainAfterAcknowledge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ operation, key string }{"Put": {"PutItem", ""}, "Transaction": {"TransactWriteItems", "k"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, other, p := instances(t)
			ctx := t.Context()
			if _, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "")}); err != nil { // so that the tenant is known
				t.Fatal(err)
			}
			pass := cutAfter(t)
			p.set(times(1, only(c.operation, func(w http.ResponseWriter, r *http.Request, operation string, through func()) bool {
				defer func() {
					page, err := other.List(ctx, store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 10})
					if err != nil || len(page.Events) != 2 {
						t.Errorf("%+v %v", page, err)
					}
					for i := range page.Events {
						if _, err := other.Acknowledge(ctx, tenant, []store.EventID{page.Events[i].ID}); err != nil {
							t.Error(err)
						}
					}
				}()
				return pass(w, r, operation, through)
			})))
			receipts, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, c.key)})
			if err != nil || receipts[0].Outcome != store.Accepted {
				t.Fatalf("%+v %v", receipts, err)
			}
			if e, err := s.Event(ctx, tenant, receipts[0].ID); err != nil || e.Status != store.Acknowledged {
				t.Errorf("%+v %v", e, err)
			}
		})
	}
}

// A caller that is gone gets an error also where nothing would have to be sent.
func TestGone(t *testing.T) {
	t.Parallel()
	opts := options(t)
	p := newProxy(t)
	opts.Endpoint = p.URL
	s := open(t, opts)
	p.forget()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Mark":        func() error { _, err := s.Mark(ctx); return err },
		"Expire":      func() error { _, err := s.Expire(ctx); return err },
		"Append":      func() error { _, err := s.Append(ctx, tenant, nil); return err },
		"Acknowledge": func() error { _, err := s.Acknowledge(ctx, tenant, nil); return err },
		"Purge":       func() error { _, _, err := s.Purge(ctx, tenant, time.Unix(0, 0)); return err },
		"TouchKeys":   func() error { return s.TouchKeys(ctx, nil) },
		"Import":      func() error { return s.Import(ctx, tenant, nil, nil) },
		"List": func() error {
			_, err := s.List(ctx, store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 1, Until: time.Unix(0, 0)})
			return err
		},
	} {
		if err := call(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := p.count(""); n != 0 {
		t.Errorf("%d requests for nobody", n)
	}
}
