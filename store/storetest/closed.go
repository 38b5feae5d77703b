package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// calls are all methods that may fail, each called as on an ordinary day.
var calls = map[string]func(context.Context, store.Store) error{
	"Append": func(ctx context.Context, s store.Store) error {
		_, err := s.Append(ctx, tenantA, []store.NewEvent{plain()})
		return err
	},
	"AppendKeyed": func(ctx context.Context, s store.Store) error {
		_, err := s.Append(ctx, tenantA, []store.NewEvent{keyed("k")})
		return err
	},
	"Event": func(ctx context.Context, s store.Store) error {
		_, err := s.Event(ctx, tenantA, store.EventID{})
		return err
	},
	"List": func(ctx context.Context, s store.Store) error {
		_, err := s.List(ctx, store.ListParams{TenantID: tenantA, Status: store.Pending, Limit: 1})
		return err
	},
	"Acknowledge": func(ctx context.Context, s store.Store) error {
		_, err := s.Acknowledge(ctx, tenantA, []store.EventID{{}})
		return err
	},
	"Delete": func(ctx context.Context, s store.Store) error {
		_, err := s.Delete(ctx, tenantA, []store.EventID{{}})
		return err
	},
	"CreateTenant": func(ctx context.Context, s store.Store) error { return s.CreateTenant(ctx, tenant("t")) },
	"Tenant": func(ctx context.Context, s store.Store) error {
		_, err := s.Tenant(ctx, tenantA)
		return err
	},
	"ReplaceTenant": func(ctx context.Context, s store.Store) error { return s.ReplaceTenant(ctx, tenant("t")) },
	"Tenants": func(ctx context.Context, s store.Store) error {
		_, err := s.Tenants(ctx, "", 1)
		return err
	},
	"CreateKey": func(ctx context.Context, s store.Store) error {
		_, key := store.NewKey(tenantA, "", store.Scopes(), time.Time{})
		return s.CreateKey(ctx, key)
	},
	"KeyByHash": func(ctx context.Context, s store.Store) error {
		_, err := s.KeyByHash(ctx, store.KeyHash{})
		return err
	},
	"Keys": func(ctx context.Context, s store.Store) error {
		_, err := s.Keys(ctx, tenantA, "", 1)
		return err
	},
	"ExpireKey": func(ctx context.Context, s store.Store) error {
		_, err := s.ExpireKey(ctx, tenantA, "key_1", time.Now())
		return err
	},
	"TouchKeys": func(ctx context.Context, s store.Store) error {
		return s.TouchKeys(ctx, []store.KeyUse{{TenantID: tenantA, KeyID: "key_1", At: time.Now()}})
	},
	"Mark": func(ctx context.Context, s store.Store) error {
		_, err := s.Mark(ctx)
		return err
	},
	"Purge": func(ctx context.Context, s store.Store) error {
		_, _, err := s.Purge(ctx, tenantA, time.Now())
		return err
	},
	"Forget": func(ctx context.Context, s store.Store) error {
		_, err := s.Forget(ctx, tenantA, time.Now())
		return err
	},
	"TenantsWithEvents": func(ctx context.Context, s store.Store) error {
		_, err := s.TenantsWithEvents(ctx, "", 1)
		return err
	},
	"IdempotencyKeys": func(ctx context.Context, s store.Store) error {
		_, err := s.IdempotencyKeys(ctx, tenantA, "", 1)
		return err
	},
	"Import": func(ctx context.Context, s store.Store) error {
		return s.Import(ctx, tenantA, []store.Event{imported(time.Now())}, nil)
	},
	"Check": func(ctx context.Context, s store.Store) error { return s.Check(ctx) },
}

func testClosed(t *testing.T, h Harness) {
	ctx, s := setup(t, h)
	must(t, s.Check(ctx))
	must(t, s.Close())
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			err := call(ctx, s)
			wantError(t, err, store.ErrClosed)
			wantError(t, err, store.ErrUnavailable)
		})
	}
	must(t, s.Close())
}

// A caller that is gone gets an error, whatever it asked for.
func testGone(t *testing.T, h Harness) {
	ctx, s := setup(t, h)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range calls {
		t.Run(name, func(t *testing.T) { wantError(t, call(gone, s), store.ErrUnavailable) })
	}
	wantList(t, s, store.ListParams{})
	must(t, s.Check(ctx))
}
