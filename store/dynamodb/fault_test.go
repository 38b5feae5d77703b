package dynamodb_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func event(payload, key string) store.NewEvent {
	return store.NewEvent{Payload: json.RawMessage(payload), IdempotencyKey: key}
}

// What passes is waited out: the caller sees nothing of it, and what was stored is stored once.
func TestFaultsHeal(t *testing.T) {
	t.Parallel()
	reasons := func(code string) string {
		return `,"CancellationReasons":[{"Code":"` + code + `"},{"Code":"None"}]`
	}
	for name, f := range map[string]fault{
		"Throttled":   times(3, refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException", "")),
		"TooMany":     times(3, refuse(http.StatusBadRequest, "ThrottlingException", "")),
		"Failing":     times(3, refuse(http.StatusInternalServerError, "InternalServerError", "")),
		"Conflict":    times(3, only("TransactWriteItems", refuse(http.StatusBadRequest, "TransactionCanceledException", reasons("TransactionConflict")))),
		"Throttling":  times(3, only("TransactWriteItems", refuse(http.StatusBadRequest, "TransactionCanceledException", reasons("ThrottlingError")))),
		"InProgress":  times(3, only("TransactWriteItems", refuse(http.StatusBadRequest, "TransactionInProgressException", ""))),
		"ItemBusy":    times(3, only("PutItem", refuse(http.StatusBadRequest, "TransactionConflictException", ""))),
		"Cut":         times(2, cut),
		"CutAfter":    only("TransactWriteItems", cutAfter(t)),
		"CutAfterPut": only("PutItem", cutAfter(t)),
		"Stall":       times(1, stall),
		"Unprocessed": unprocessed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			p := newProxy(t)
			opts.Endpoint = p.URL
			s := open(t, opts)
			p.set(times(3, f))
			keyed, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{"n":1}`, "k")})
			if err != nil || keyed[0].Outcome != store.Accepted {
				t.Fatalf("%+v %v", keyed, err)
			}
			plain, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{"n":2}`, "")})
			if err != nil || plain[0].Outcome != store.Accepted {
				t.Fatalf("%+v %v", plain, err)
			}
			again, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{"n":1}`, "k")})
			if err != nil || again[0] != (store.Receipt{ID: keyed[0].ID, Outcome: store.Duplicate}) {
				t.Fatalf("%+v %v", again, err)
			}
			page, err := s.List(t.Context(), store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 10})
			if err != nil || len(page.Events) != 2 {
				t.Fatalf("%+v %v", page, err)
			}
			p.set(times(3, f))
			removed, more, err := s.Purge(t.Context(), tenant, time.Now().Add(time.Minute))
			if removed != 2 || more || err != nil {
				t.Fatal(removed, more, err)
			}
		})
	}
}

// What does not pass ends with the caller's deadline, and the next call finds a store that works.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"Throttled": refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException", ""),
		"Failing":   refuse(http.StatusServiceUnavailable, "InternalServerError", ""),
		"Denied":    refuse(http.StatusBadRequest, "AccessDeniedException", ""),
		"Cut":       cut,
		"Stall":     stall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			p := newProxy(t)
			opts.Endpoint = p.URL
			s := open(t, opts)
			p.set(f)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "k")}); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("append: %v", err)
			}
			if err := s.Check(ctx); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("check: %v", err)
			}
			if _, err := s.List(ctx, store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 1}); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("list: %v", err)
			}
			p.set(nil)
			receipts, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{}`, "l")})
			if err != nil || receipts[0].Outcome != store.Accepted {
				t.Errorf("healed: %+v %v", receipts, err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("healed: %v", err)
			}
		})
	}
}
