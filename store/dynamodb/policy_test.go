package dynamodb_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
)

// actions collects what IAM asks a right for.
type actions struct {
	mu   sync.Mutex
	seen map[string]bool
}

// note is a fault that does nothing but note.
func (a *actions) note(_ http.ResponseWriter, r *http.Request, operation string, _ func()) bool {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.mu.Lock()
	defer a.mu.Unlock()
	if operation != "TransactWriteItems" {
		a.seen["dynamodb:"+operation] = true
		return false
	}
	// A transaction has no action of its own: its parts have.
	var transaction struct{ TransactItems []map[string]any }
	_ = json.Unmarshal(body, &transaction)
	for _, part := range transaction.TransactItems {
		for kind := range part {
			if kind != "ConditionCheck" {
				kind += "Item"
			} else {
				kind = "ConditionCheckItem"
			}
			a.seen["dynamodb:"+kind] = true
		}
	}
	return false
}

func (a *actions) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for action := range a.seen {
		list = append(list, action)
	}
	slices.Sort(list)
	return list
}

// allowed are the actions of a policy.
func allowed(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "iam", name))
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Statement []struct{ Action any } }
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, statement := range policy.Statement {
		switch action := statement.Action.(type) {
		case string:
			list = append(list, action)
		case []any:
			for _, a := range action {
				list = append(list, a.(string))
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// The policies in deploy allow what is done, and nothing else.
func TestPolicies(t *testing.T) {
	t.Parallel()
	opts := options(t)
	p := newProxy(t)
	opts.Endpoint = p.URL
	migrating, serving := &actions{seen: map[string]bool{}}, &actions{seen: map[string]bool{}}
	p.set(migrating.note)
	if from, to, err := dynamodb.Migrate(t.Context(), opts); from != 0 || to != 1 || err != nil {
		t.Fatal(from, to, err)
	}
	p.set(serving.note)
	opts.AutoMigrate = false
	everything(t, open(t, opts))
	for name, a := range map[string]*actions{"dynamodb-migrate.json": migrating, "dynamodb-server.json": serving} {
		if used, policy := a.list(), allowed(t, name); !slices.Equal(used, policy) {
			t.Errorf("%s allows %v, used is %v", name, policy, used)
		}
	}
}

// everything calls every method of a store.
func everything(t *testing.T, s *dynamodb.Store) {
	t.Helper()
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	large := `{"x":"` + strings.Repeat("x", 800_000) + `"}`
	receipts, err := s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "k"), event(large, "")})
	ok(err)
	_, err = s.Append(ctx, tenant, []store.NewEvent{event(`{}`, "")})
	ok(err)
	ids := []store.EventID{receipts[0].ID, receipts[1].ID}
	e, err := s.Event(ctx, tenant, ids[1])
	ok(err)
	if string(e.Payload) != large {
		t.Errorf("a payload of %d bytes came back as %d", len(large), len(e.Payload))
	}
	_, err = s.List(ctx, store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 10})
	ok(err)
	_, err = s.Acknowledge(ctx, tenant, ids)
	ok(err)
	_, err = s.Delete(ctx, tenant, ids)
	ok(err)
	ok(s.CreateTenant(ctx, store.Tenant{ID: tenant}))
	_, err = store.ChangeTenant(ctx, s, tenant, func(t *store.Tenant) error { t.Name = "a"; return nil })
	ok(err)
	_, err = s.Tenants(ctx, "", 10)
	ok(err)
	_, key := store.NewKey(tenant, "", store.Scopes(), time.Time{})
	ok(s.CreateKey(ctx, key))
	_, err = s.KeyByHash(ctx, key.Hash)
	ok(err)
	_, err = s.Keys(ctx, tenant, "", 10)
	ok(err)
	ok(s.TouchKeys(ctx, []store.KeyUse{{TenantID: tenant, KeyID: key.ID, At: store.Now()}}))
	_, err = s.ExpireKey(ctx, tenant, key.ID, store.Now())
	ok(err)
	keys, err := s.IdempotencyKeys(ctx, tenant, "", 10)
	ok(err)
	_, err = s.TenantsWithEvents(ctx, "", 10)
	ok(err)
	ok(s.Import(ctx, tenant, []store.Event{e}, keys))
	_, _, err = s.Purge(ctx, tenant, time.Now().Add(time.Hour))
	ok(err)
	_, err = s.Forget(ctx, tenant, time.Now().Add(time.Hour))
	ok(err)
	_, err = s.Expire(ctx)
	ok(err)
	ok(s.Check(ctx))
}
