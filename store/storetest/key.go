package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

// newKey is a key as the registry gives it back.
func newKey(tenant, name string) store.Key {
	_, k := store.NewKey(tenant, name, store.Scopes(), time.Time{})
	return k
}

func createKey(t *testing.T, s store.Store, k store.Key) store.Key {
	t.Helper()
	must(t, s.CreateKey(t.Context(), k))
	return k
}

func wantKey(t *testing.T, s store.Store, want store.Key) {
	t.Helper()
	got, err := s.KeyByHash(t.Context(), want.Hash)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func keyIDs(t *testing.T, s store.Store, tenant string, limit int) (ids []string) {
	t.Helper()
	for after := ""; ; after = ids[len(ids)-1] {
		page, err := s.Keys(t.Context(), tenant, after, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("a page of %d keys, limit %d", len(page), limit)
		}
		for _, k := range page {
			ids = append(ids, k.ID)
		}
		if len(page) < limit {
			return ids
		}
	}
}

func setupTenants(t *testing.T, h Harness) store.Store {
	t.Helper()
	ctx, s := setup(t, h)
	must(t, s.CreateTenant(ctx, tenant(tenantA)))
	must(t, s.CreateTenant(ctx, tenant(tenantB)))
	return s
}

// lately is a time at which an expired key is still kept.
var lately = store.Now().Add(-day)

func testKeys(t *testing.T, h Harness) {
	t.Run("RoundTrip", func(t *testing.T) {
		s := setupTenants(t, h)
		for _, change := range []func(*store.Key){
			func(*store.Key) {},
			func(k *store.Key) { k.Name = "" },
			func(k *store.Key) { k.Scopes = []store.Scope{store.InboxWrite} },
			func(k *store.Key) { k.Scopes = []store.Scope{store.InboxWrite, store.EventsWrite} },
			func(k *store.Key) { k.ExpiresAt = lately },
			func(k *store.Key) { k.CreatedAt, k.LastUsedAt = lately, lately.Add(time.Millisecond) },
		} {
			k := newKey(tenantA, "laptop")
			change(&k)
			wantKey(t, s, createKey(t, s, k))
			page, err := s.Keys(t.Context(), tenantA, "", 100)
			must(t, err)
			if i := slices.IndexFunc(page, func(other store.Key) bool { return other.ID == k.ID }); i < 0 || !reflect.DeepEqual(page[i], k) {
				t.Errorf("listed as %+v, want %+v", page, k)
			}
		}
		for _, name := range unicodeNames {
			wantKey(t, s, createKey(t, s, newKey(tenantB, name)))
		}
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		ctx, s := setup(t, h)
		k := newKey(tenantA, "")
		wantError(t, s.CreateKey(ctx, k), store.ErrNotFound)
		_, err := s.KeyByHash(ctx, k.Hash)
		wantError(t, err, store.ErrNotFound)
		if ids := keyIDs(t, s, tenantA, 10); len(ids) != 0 {
			t.Errorf("%q", ids)
		}
	})
	t.Run("ErrExists", func(t *testing.T) {
		s := setupTenants(t, h)
		first := createKey(t, s, newKey(tenantA, "first"))
		sameID, sameHash, sameHashElsewhere := newKey(tenantA, ""), newKey(tenantA, ""), newKey(tenantB, "")
		sameID.ID, sameHash.Hash, sameHashElsewhere.Hash = first.ID, first.Hash, first.Hash
		for _, k := range []store.Key{first, sameID, sameHash, sameHashElsewhere} {
			wantError(t, s.CreateKey(t.Context(), k), store.ErrExists)
		}
		wantKey(t, s, first)
		_, err := s.KeyByHash(t.Context(), sameID.Hash)
		wantError(t, err, store.ErrNotFound)
		wantStrings(t, s, func() []string { return keyIDs(t, s, tenantA, 10) }, []string{first.ID})
		wantStrings(t, s, func() []string { return keyIDs(t, s, tenantB, 10) }, nil)
	})
	t.Run("List", func(t *testing.T) {
		s := setupTenants(t, h)
		var want []string
		for range 30 {
			want = append(want, createKey(t, s, newKey(tenantA, "")).ID)
		}
		createKey(t, s, newKey(tenantB, ""))
		slices.Sort(want)
		for _, limit := range []int{1, 7, 29, 30, 31} {
			wantStrings(t, s, func() []string { return keyIDs(t, s, tenantA, limit) }, want)
		}
	})
	t.Run("Expire", func(t *testing.T) {
		s := setupTenants(t, h)
		k := createKey(t, s, newKey(tenantA, ""))
		for _, step := range []struct{ at, want time.Time }{
			{lately.Add(day), lately.Add(day)},
			{lately.Add(2 * day), lately.Add(day)}, // later than it does anyway
			{lately, lately},
			{lately, lately},
		} {
			k.ExpiresAt = step.want
			got, err := s.ExpireKey(t.Context(), tenantA, k.ID, step.at)
			must(t, err)
			if !reflect.DeepEqual(got, k) {
				t.Errorf("got %+v, want %+v", got, k)
			}
			wantKey(t, s, k)
		}
		for tenant, id := range map[string]string{tenantA: "key_none", tenantB: k.ID, "nobody": k.ID} {
			_, err := s.ExpireKey(t.Context(), tenant, id, lately.Add(-day))
			wantError(t, err, store.ErrNotFound)
		}
		wantKey(t, s, k)
	})
	t.Run("ExpireAtOnce", func(t *testing.T) {
		// The earliest time stays, whichever comes last.
		s := setupTenants(t, h)
		k := createKey(t, s, newKey(tenantA, ""))
		together(8, func(i int) {
			if _, err := s.ExpireKey(t.Context(), tenantA, k.ID, lately.Add(time.Duration(i)*day)); err != nil {
				t.Error(err)
			}
		})
		k.ExpiresAt = lately
		wantKey(t, s, k)
	})
	t.Run("Touch", func(t *testing.T) {
		s := setupTenants(t, h)
		used, other := createKey(t, s, newKey(tenantA, "")), createKey(t, s, newKey(tenantB, ""))
		touch := func(uses ...store.KeyUse) {
			t.Helper()
			must(t, s.TouchKeys(t.Context(), uses))
		}
		touch()
		touch(store.KeyUse{TenantID: tenantA, KeyID: used.ID, At: lately})
		used.LastUsedAt = lately
		wantKey(t, s, used)
		wantKey(t, s, other)
		touch(
			store.KeyUse{TenantID: tenantA, KeyID: used.ID, At: lately.Add(-time.Hour)}, // earlier
			store.KeyUse{TenantID: tenantA, KeyID: "key_gone", At: lately},
			store.KeyUse{TenantID: "nobody", KeyID: used.ID, At: lately.Add(time.Hour)},
			store.KeyUse{TenantID: tenantB, KeyID: other.ID, At: lately},
		)
		other.LastUsedAt = lately
		wantKey(t, s, used)
		wantKey(t, s, other)
		touch( // of several uses of one key the last counts, in whatever order
			store.KeyUse{TenantID: tenantB, KeyID: other.ID, At: lately.Add(time.Second)},
			store.KeyUse{TenantID: tenantB, KeyID: other.ID, At: lately.Add(2 * time.Second)},
			store.KeyUse{TenantID: tenantB, KeyID: other.ID, At: lately.Add(-time.Second)},
		)
		other.LastUsedAt = lately.Add(2 * time.Second)
		wantKey(t, s, other)
		together(8, func(i int) {
			at := lately.Add(time.Duration(i) * time.Minute)
			err := s.TouchKeys(t.Context(), []store.KeyUse{
				{TenantID: tenantA, KeyID: used.ID, At: at}, {TenantID: tenantB, KeyID: other.ID, At: at},
			})
			if err != nil {
				t.Error(err)
			}
		})
		used.LastUsedAt = lately.Add(7 * time.Minute)
		other.LastUsedAt = used.LastUsedAt
		wantKey(t, s, used)
		wantKey(t, s, other)
		if keys, err := s.Keys(t.Context(), tenantA, "", 10); err != nil || len(keys) != 1 {
			t.Errorf("touching a key that is gone made it: %+v %v", keys, err)
		}
	})
	t.Run("TouchMany", func(t *testing.T) {
		s := setupTenants(t, h)
		var uses []store.KeyUse
		var hashes []store.KeyHash
		for range 120 {
			k := createKey(t, s, newKey(tenantA, ""))
			hashes = append(hashes, k.Hash)
			uses = append(uses, store.KeyUse{TenantID: tenantA, KeyID: k.ID, At: lately})
		}
		must(t, s.TouchKeys(t.Context(), uses))
		for _, hash := range hashes {
			if k, err := s.KeyByHash(t.Context(), hash); err != nil || !k.LastUsedAt.Equal(lately) {
				t.Fatalf("%+v %v", k, err)
			}
		}
	})
	t.Run("Removed", func(t *testing.T) {
		// Expired keys can be looked at for a while. Then they go, whether Expire removes them or the engine itself.
		s := setupTenants(t, h)
		var kept []string
		for _, expires := range []time.Time{{}, store.Now().Add(time.Hour), store.Now(), store.Now().Add(-store.KeyGrace + time.Hour)} {
			k := newKey(tenantA, "")
			k.ExpiresAt = expires
			kept = append(kept, createKey(t, s, k).ID)
			wantKey(t, s, k)
		}
		slices.Sort(kept)
		old := newKey(tenantA, "")
		old.ExpiresAt = store.Now().Add(-store.KeyGrace - time.Second)
		must(t, s.CreateKey(t.Context(), old))
		expire(t, s)
		wantStrings(t, s, func() []string { return keyIDs(t, s, tenantA, 10) }, kept)
		_, err := s.KeyByHash(t.Context(), old.Hash)
		wantError(t, err, store.ErrNotFound)
	})
}
