package sqlite_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/sqlite"
)

func openRegistry(t *testing.T, path string) *sqlite.Registry {
	t.Helper()
	r, err := sqlite.OpenRegistry(t.Context(), sqlite.Options{Path: path, AutoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// The command line works on the database of a running server, which sees what it did, and the other way round.
func TestRegistryBesideServer(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "events.db")
	s, r := open(t, path), openRegistry(t, path)
	if err := r.CreateTenant(ctx, store.Tenant{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTenant(ctx, store.Tenant{ID: "a"}); !errors.Is(err, store.ErrExists) {
		t.Errorf("the server does not see the tenant: %v", err)
	}
	_, k := store.NewKey("a", "", store.Scopes(), time.Time{})
	if err := s.CreateKey(ctx, k); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ExpireKey(ctx, "a", k.ID, store.Now()); err != nil {
		t.Fatal(err)
	}
	if seen, err := s.KeyByHash(ctx, k.Hash); err != nil || seen.ExpiresAt.IsZero() {
		t.Errorf("%+v %v", seen, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateTenant(ctx, store.Tenant{ID: "b"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := s.Append(ctx, "a", []store.NewEvent{{Payload: json.RawMessage(`{}`)}}); err != nil {
		t.Error(err)
	}
}

// Neither of the two loses a write to the other, however busy the server is.
func TestRegistryBesideBusyServer(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "events.db")
	s, r := open(t, path), openRegistry(t, path)
	if err := r.CreateTenant(ctx, store.Tenant{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var busy sync.WaitGroup
	for range 16 {
		busy.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := s.Append(ctx, "a", []store.NewEvent{{Payload: json.RawMessage(`{}`)}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		for _, registry := range []store.Registry{r, s} {
			if _, err := store.ChangeTenant(ctx, registry, "a", func(*store.Tenant) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	busy.Wait()
	if got, err := s.Tenant(ctx, "a"); err != nil || got.Version != 41 {
		t.Errorf("%+v %v", got, err)
	}
}

// Without a server, the registry makes the database.
func TestRegistryAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "events.db")
	r := openRegistry(t, path)
	if err := r.CreateTenant(t.Context(), store.Tenant{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	s := open(t, path) // it holds no lock
	if _, err := s.Tenant(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
