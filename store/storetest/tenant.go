package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// moment is a time of which every digit counts.
var moment = time.Date(2025, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func tenant(id string) store.Tenant {
	return store.Tenant{ID: id, Name: "Tenant " + id, CreatedAt: moment, UpdatedAt: moment.Add(time.Millisecond), Version: 1}
}

func wantTenant(t *testing.T, s store.Store, want store.Tenant) {
	t.Helper()
	got, err := s.Tenant(t.Context(), want.ID)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// everyTenant follows the pages to the end.
func everyTenant(t *testing.T, s store.Store, limit int) (all []store.Tenant) {
	t.Helper()
	for after := ""; ; after = all[len(all)-1].ID {
		page, err := s.Tenants(t.Context(), after, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("a page of %d tenants, limit %d", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
	}
}

func testTenants(t *testing.T, h Harness) {
	t.Run("Create", func(t *testing.T) {
		ctx, s := setup(t, h)
		made := tenant(tenantA)
		made.Version = 7 // whatever it says
		must(t, s.CreateTenant(ctx, made))
		made.Version = 1
		wantTenant(t, s, made)
		wantError(t, s.CreateTenant(ctx, tenant(tenantA)), store.ErrExists)
		wantTenant(t, s, made)
		_, err := s.Tenant(ctx, tenantB)
		wantError(t, err, store.ErrNotFound)
	})
	t.Run("RoundTrip", func(t *testing.T) {
		ctx, s := setup(t, h)
		none, some := 0, 1000
		for i, change := range []func(*store.Tenant){
			func(*store.Tenant) {},
			func(x *store.Tenant) { x.Disabled = true },
			func(x *store.Tenant) { x.Name = "" },
			func(x *store.Tenant) { x.RateLimitPerMinute, x.RetentionDays = &none, &none },
			func(x *store.Tenant) { x.RateLimitPerMinute = &some },
			func(x *store.Tenant) { x.RetentionDays = &some },
			func(x *store.Tenant) { x.Erasure = &store.Erasure{Before: moment} },
			func(x *store.Tenant) { x.Erasure = &store.Erasure{Before: moment, Events: 1 << 40, FinishedAt: moment} },
		} {
			want := tenant(fmt.Sprint("created_", i))
			change(&want)
			must(t, s.CreateTenant(ctx, want))
			wantTenant(t, s, want)
			// The same by a change, and back again.
			id := fmt.Sprint("changed_", i)
			must(t, s.CreateTenant(ctx, tenant(id)))
			want.ID = id
			must(t, s.ReplaceTenant(ctx, want))
			want.Version = 2
			wantTenant(t, s, want)
			must(t, s.ReplaceTenant(ctx, store.Tenant{ID: id, Name: "n", CreatedAt: moment, UpdatedAt: moment, Version: 2}))
			wantTenant(t, s, store.Tenant{ID: id, Name: "n", CreatedAt: moment, UpdatedAt: moment, Version: 3})
		}
		for i, name := range unicodeNames {
			named := tenant(fmt.Sprint("named_", i))
			named.Name = name
			must(t, s.CreateTenant(ctx, named))
			wantTenant(t, s, named)
		}
	})
	t.Run("ErrConflict", func(t *testing.T) {
		ctx, s := setup(t, h)
		wantError(t, s.ReplaceTenant(ctx, tenant(tenantA)), store.ErrNotFound)
		must(t, s.CreateTenant(ctx, tenant(tenantA)))
		must(t, s.ReplaceTenant(ctx, tenant(tenantA)))
		for _, version := range []int64{0, 1, 3} {
			stale := tenant(tenantA)
			stale.Name, stale.Version = "stale", version
			wantError(t, s.ReplaceTenant(ctx, stale), store.ErrConflict)
		}
		want := tenant(tenantA)
		want.Version = 2
		wantTenant(t, s, want)
	})
	t.Run("Change", func(t *testing.T) {
		// No change is lost, however many are made at once.
		ctx, s := setup(t, h)
		must(t, s.CreateTenant(ctx, tenant(tenantA)))
		var changed atomic.Int64
		together(5, func(int) {
			for range 4 {
				_, err := store.ChangeTenant(ctx, s, tenantA, func(x *store.Tenant) error {
					if x.Erasure == nil {
						x.Erasure = &store.Erasure{Before: moment}
					}
					x.Erasure.Events++
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				changed.Add(1)
			}
		})
		got, err := s.Tenant(ctx, tenantA)
		must(t, err)
		if got.Erasure == nil || got.Erasure.Events != changed.Load() || got.Version != 1+changed.Load() {
			t.Errorf("%+v %+v after %d changes", got, got.Erasure, changed.Load())
		}
	})
	t.Run("CreateAtOnce", func(t *testing.T) {
		ctx, s := setup(t, h)
		var made atomic.Int64
		together(8, func(int) {
			if err := s.CreateTenant(ctx, tenant(tenantA)); err == nil {
				made.Add(1)
			} else {
				wantErrorFrom(t, err, store.ErrExists)
			}
		})
		if made.Load() != 1 {
			t.Errorf("made %d times", made.Load())
		}
	})
	t.Run("List", func(t *testing.T) {
		ctx, s := setup(t, h)
		if got := everyTenant(t, s, 10); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		for i := range tenantIDs {
			must(t, s.CreateTenant(ctx, tenant(tenantIDs[(i*7)%len(tenantIDs)])))
		}
		for _, limit := range []int{1, 5, len(tenantIDs) - 1, len(tenantIDs), len(tenantIDs) + 1} {
			listed := func() (ids []string) {
				for _, x := range everyTenant(t, s, limit) {
					ids = append(ids, x.ID)
				}
				return ids
			}
			wantStrings(t, s, listed, tenantIDs)
		}
		want := tenant(tenantIDs[1])
		if page, err := s.Tenants(ctx, tenantIDs[0], 1); err != nil || !reflect.DeepEqual(page, []store.Tenant{want}) {
			t.Errorf("%+v %v", page, err)
		}
		if page, err := s.Tenants(ctx, "tenant_", 2); err != nil || len(page) != 2 || page[0].ID != "tenant_a" {
			t.Errorf("after an id that is not there: %+v %v", page, err)
		}
	})
}

// wantStrings checks a list of names: at once, or within moments where lists may be behind.
func wantStrings(t *testing.T, s store.Store, read func() []string, want []string) {
	t.Helper()
	got := read()
	if !s.Traits().FreshLists {
		eventually(t, "the list", func() bool {
			got = read()
			return slices.Equal(got, want)
		})
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}
