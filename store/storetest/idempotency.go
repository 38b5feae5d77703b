package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testIdempotency(t *testing.T, h Harness) {
	with := func(key, payload string) store.NewEvent {
		return store.NewEvent{IdempotencyKey: key, Payload: json.RawMessage(payload)}
	}
	check := func(t *testing.T, s store.Store, tenant string, e store.NewEvent, want store.Receipt) {
		t.Helper()
		receipts, err := s.Append(t.Context(), tenant, []store.NewEvent{e})
		must(t, err)
		if receipts[0] != want {
			t.Fatalf("got %+v, want %+v", receipts[0], want)
		}
	}
	t.Run("Duplicate", func(t *testing.T) {
		_, s := setup(t, h)
		first := appendAll(t, s, tenantA, with("k", `{"a":1}`))[0]
		check(t, s, tenantA, with("k", `{"a":1}`), store.Receipt{ID: first, Outcome: store.Duplicate})
		wantList(t, s, store.ListParams{}, first)
	})
	t.Run("KeyReused", func(t *testing.T) {
		_, s := setup(t, h)
		first := appendAll(t, s, tenantA, with("k", `{"a":1}`))[0]
		reused := store.Receipt{ID: first, Outcome: store.KeyReused}
		check(t, s, tenantA, with("k", `{"a":2}`), reused)
		named := with("k", `{"a":1}`)
		named.Type = "t"
		check(t, s, tenantA, named, reused)
		wantList(t, s, store.ListParams{}, first)
	})
	t.Run("Tenants", func(t *testing.T) {
		_, s := setup(t, h)
		appendAll(t, s, tenantA, with("k", `{}`))
		appendAll(t, s, tenantB, with("k", `{}`))
	})
	t.Run("Bytes", func(t *testing.T) {
		_, s := setup(t, h)
		for _, key := range []string{
			"k", "K", "k ", " k", "k%", "k_", "k#1", "k|1", "k/1", `k\`, "'k'", `"k"`, "é", "e\u0301", strings.Repeat("k", 254), strings.Repeat("k", 255),
		} {
			appendAll(t, s, tenantA, with(key, `{}`))
		}
	})
	t.Run("SameBatch", func(t *testing.T) {
		ctx, s := setup(t, h)
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{with("k", `{}`), with("k", `{}`), with("k", `{"a":1}`), with("l", `{}`)})
		must(t, err)
		first := receipts[0].ID
		for i, want := range []store.Receipt{
			{ID: first, Outcome: store.Accepted},
			{ID: first, Outcome: store.Duplicate},
			{ID: first, Outcome: store.KeyReused},
			{ID: receipts[3].ID, Outcome: store.Accepted},
		} {
			if receipts[i] != want {
				t.Errorf("%d: got %+v, want %+v", i, receipts[i], want)
			}
		}
		wantList(t, s, store.ListParams{}, first, receipts[3].ID)
	})
	t.Run("OutlivesEvent", func(t *testing.T) {
		ctx, s := setup(t, h)
		first := appendAll(t, s, tenantA, with("k", `{}`))[0]
		_, err := s.Delete(ctx, tenantA, []store.EventID{first})
		must(t, err)
		check(t, s, tenantA, with("k", `{}`), store.Receipt{ID: first, Outcome: store.Duplicate})
	})
	t.Run("Expires", func(t *testing.T) {
		s := h.Open(t, Options{IdempotencyTTL: time.Millisecond})
		first := appendAll(t, s, tenantA, with("k", `{}`))[0]
		eventually(t, "the key to be forgotten", func() bool {
			receipts, err := s.Append(t.Context(), tenantA, []store.NewEvent{with("k", `{}`)})
			must(t, err)
			return receipts[0].Outcome == store.Accepted && receipts[0].ID != first
		})
	})
}
