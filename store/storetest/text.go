package storetest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/store"
)

// unicodeNames are names that look alike, sort oddly, or have no glyph, each another name than all the others.
var unicodeNames = []string{
	"a", "A", "a ", " a", "aa", "é", "e\u0301", "e", "ａ", "ß", "ss", "ı", "i", "İ", "I", "а", "a%", "a_", "a*", "a#b", "a|b", `a\`,
	"'; DROP TABLE events; --", "NULL", "null", "{}", "🙂", "👩‍👩‍👧", strings.Repeat("x", 255), strings.Repeat("🙂", 255),
	"\u200b", "\u00a0", "\u2028", "\u202ea", "א", "\ufdd0", "\ufffd", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff", "\ufeff",
}

func testNames(t *testing.T, h Harness) {
	// Names are compared byte by byte: no case folding, no trimming, no normal forms.
	ctx, s := setup(t, h)
	for _, name := range unicodeNames {
		id := appendAll(t, s, tenantA, store.NewEvent{Source: name, Type: name, Topic: name, Payload: json.RawMessage(`{}`)})[0]
		for _, params := range []store.ListParams{{Source: name}, {Type: name}, {Topic: name}} {
			wantList(t, s, params, id)
		}
		got, err := s.Event(ctx, tenantA, id)
		must(t, err)
		if got.Source != name || got.Type != name || got.Topic != name {
			t.Errorf("%+q came back as %+q, %+q, %+q", name, got.Source, got.Type, got.Topic)
		}
	}
	for _, name := range []string{"b", "AA", "É", "\u2029", "x"} {
		wantList(t, s, store.ListParams{Type: name})
	}
}

// tenantIDs are visible ASCII without "/", in ascending order byte by byte, which is no language's order.
var tenantIDs = []string{
	"!", `"`, "%", "'--", "*", "0", "10", "9", "A", "B", "TENANT", "Tenant", "Z", `\`, "_", "a", "a#b", "a%", "a-b", "aB", "a_b", "ab",
	"b", "tenant", "tenant#", "tenant#a", "tenant.a", "tenant_a", "tenant|a", strings.Repeat("x", 128), "~",
}

func testTenantIDs(t *testing.T, h Harness) {
	// Tenants are kept apart byte by byte, whatever their ids look like.
	_, s := setup(t, h)
	ids := make([]store.EventID, len(tenantIDs))
	for i, tenant := range tenantIDs {
		ids[i] = appendAll(t, s, tenant, keyed("k"))[0] // the same key everywhere
	}
	for i, tenant := range tenantIDs {
		wantList(t, s, store.ListParams{TenantID: tenant}, ids[i])
		_, err := s.Event(t.Context(), tenant, ids[(i+1)%len(ids)])
		wantError(t, err, store.ErrNotFound)
	}
	wantList(t, s, store.ListParams{TenantID: "TENANT_A"})
	if !slices.IsSorted(tenantIDs) {
		t.Error("the test's own ids are out of order")
	}
}
