package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/triggers-api/triggers/store"
)

// Noting the use of many keys takes many short transactions: a row that is held up holds up few others.
func TestTouchKeysInSteps(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := open(t, url)
	now := store.Now()
	if err := s.CreateTenant(t.Context(), store.Tenant{ID: "a", CreatedAt: now, UpdatedAt: now}); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	const keys = 501
	_, insert := conn.Exec(t.Context(), `INSERT INTO api_keys (id, tenant, name, scopes, hash, hint, created_at)
		SELECT 'key_' || lpad(n::text, 5, '0'), 'a', '', '{}', decode(lpad(to_hex(n), 64, '0'), 'hex'), '', now()
		FROM generate_series(1, $1) AS n`, keys)
	_, begin := conn.Exec(t.Context(), `BEGIN`)
	_, lock := conn.Exec(t.Context(), `SELECT FROM api_keys ORDER BY id DESC LIMIT 1 FOR UPDATE`)
	if err := errors.Join(insert, begin, lock); err != nil {
		t.Fatal(err)
	}
	uses := make([]store.KeyUse, keys)
	for i := range uses {
		uses[i] = store.KeyUse{TenantID: "a", KeyID: fmt.Sprintf("key_%05d", keys-i), At: now}
	}
	var touched sync.WaitGroup
	touched.Go(func() {
		if err := s.TouchKeys(t.Context(), uses); err != nil {
			t.Error(err)
		}
	})
	waiting(t, url, 1)
	used := func() (n int) {
		t.Helper()
		all, err := s.Keys(t.Context(), "a", "", 2*keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.LastUsedAt.Equal(now) {
				n++
			}
		}
		return n
	}
	if n := used(); n != keys-1 {
		t.Errorf("%d keys are noted while one is held, want %d", n, keys-1)
	}
	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	touched.Wait()
	if n := used(); n != keys {
		t.Errorf("%d keys are noted, want %d", n, keys)
	}
}
