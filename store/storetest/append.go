package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testAppend(t *testing.T, open Open) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, open)
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
		_, s := setup(t, open)
		var want []store.EventID
		for range 5 {
			want = append(want, appendAll(t, s, tenantA, plain(), plain(), plain())...)
		}
		wantIDs(t, list(t, s, store.ListParams{}), want...)
	})
	t.Run("Names", func(t *testing.T) {
		// Names are compared byte by byte: no case folding, no trimming, no normal forms.
		ctx, s := setup(t, open)
		names := []string{"a", "A", "a ", " a", "é", "e\u0301", "ａ", "a%", "a_", "'; DROP TABLE events; --", "🙂", strings.Repeat("x", 255), "\u200b", "\ufffd"}
		for _, name := range names {
			id := appendAll(t, s, tenantA, store.NewEvent{Source: name, Type: name, Topic: name, Payload: json.RawMessage(`{}`)})[0]
			for _, params := range []store.ListParams{{Source: name}, {Type: name}, {Topic: name}} {
				wantIDs(t, list(t, s, params), id)
			}
			got, err := s.Event(ctx, tenantA, id)
			must(t, err)
			if got.Source != name || got.Type != name || got.Topic != name {
				t.Errorf("%q came back as %q, %q, %q", name, got.Source, got.Type, got.Topic)
			}
		}
	})
	t.Run("Tenants", func(t *testing.T) {
		_, s := setup(t, open)
		a, b := appendAll(t, s, tenantA, plain())[0], appendAll(t, s, tenantB, plain())[0]
		wantIDs(t, list(t, s, store.ListParams{TenantID: tenantA}), a)
		wantIDs(t, list(t, s, store.ListParams{TenantID: tenantB}), b)
		wantIDs(t, list(t, s, store.ListParams{TenantID: "TENANT_A"}))
	})
	t.Run("Done", func(t *testing.T) {
		// A caller that is gone before its turn gets an error, and its event must not turn up later by surprise.
		ctx, s := setup(t, open)
		gone, cancel := contextCanceled(ctx)
		defer cancel()
		_, err := s.Append(gone, tenantA, []store.NewEvent{plain()})
		wantError(t, err, store.ErrUnavailable)
		id := appendAll(t, s, tenantA, plain())[0]
		wantIDs(t, list(t, s, store.ListParams{}), id)
	})
}

func testPayload(t *testing.T, open Open) {
	ctx, s := setup(t, open)
	for _, payload := range []string{
		`{}`,
		`{ "b" : 1 , "a" : 2 , "b" : 3 }`,
		"{\n\t\"a\": [ ]\r\n}",
		`{"n":1.0,"e":1E400,"big":123456789012345678901234567890,"z":-0}`,
		`{"u":"\u00e9\u0000\ud83d\ude00\ud800","raw":"é😀 "}`,
		`{"html":"<a href='x'>&amp;</a>"}`,
		`{"deep":` + strings.Repeat("[", 255) + strings.Repeat("]", 255) + `}`,
		`{"long":"` + strings.Repeat("x", 300_000) + `"}`,
	} {
		id := appendAll(t, s, tenantA, store.NewEvent{Payload: json.RawMessage(payload)})[0]
		got, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if string(got.Payload) != payload {
			t.Errorf("sent %.80s, got %.80s", payload, got.Payload)
		}
	}
}

func testIdempotency(t *testing.T, open Open) {
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
		_, s := setup(t, open)
		first := appendAll(t, s, tenantA, with("k", `{"a":1}`))[0]
		check(t, s, tenantA, with("k", `{"a":1}`), store.Receipt{ID: first, Outcome: store.Duplicate})
		wantIDs(t, list(t, s, store.ListParams{}), first)
	})
	t.Run("KeyReused", func(t *testing.T) {
		_, s := setup(t, open)
		first := appendAll(t, s, tenantA, with("k", `{"a":1}`))[0]
		reused := store.Receipt{ID: first, Outcome: store.KeyReused}
		check(t, s, tenantA, with("k", `{"a":2}`), reused)
		named := with("k", `{"a":1}`)
		named.Type = "t"
		check(t, s, tenantA, named, reused)
		wantIDs(t, list(t, s, store.ListParams{}), first)
	})
	t.Run("Tenants", func(t *testing.T) {
		_, s := setup(t, open)
		appendAll(t, s, tenantA, with("k", `{}`))
		appendAll(t, s, tenantB, with("k", `{}`))
	})
	t.Run("Bytes", func(t *testing.T) {
		_, s := setup(t, open)
		for _, key := range []string{"k", "K", "k ", " k", "k%", "é", "e\u0301", strings.Repeat("k", 255)} {
			appendAll(t, s, tenantA, with(key, `{}`))
		}
	})
	t.Run("SameBatch", func(t *testing.T) {
		ctx, s := setup(t, open)
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
		wantIDs(t, list(t, s, store.ListParams{}), first, receipts[3].ID)
	})
	t.Run("OutlivesEvent", func(t *testing.T) {
		ctx, s := setup(t, open)
		first := appendAll(t, s, tenantA, with("k", `{}`))[0]
		_, err := s.Delete(ctx, tenantA, []store.EventID{first})
		must(t, err)
		check(t, s, tenantA, with("k", `{}`), store.Receipt{ID: first, Outcome: store.Duplicate})
	})
	t.Run("Expires", func(t *testing.T) {
		s := open(t, Options{IdempotencyTTL: time.Millisecond})
		first := appendAll(t, s, tenantA, with("k", `{}`))[0]
		eventually(t, "the key to be forgotten", func() bool {
			receipts, err := s.Append(t.Context(), tenantA, []store.NewEvent{with("k", `{}`)})
			must(t, err)
			return receipts[0].Outcome == store.Accepted && receipts[0].ID != first
		})
	})
}
