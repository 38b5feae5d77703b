package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/tests/harness"
)

// Keys that stay are looked at once, in steps, and without holding up those who append.
func TestForgetAmongMany(t *testing.T) {
	t.Parallel()
	server, name := harness.SharedPostgres(t), store.NewID("test_")
	url := server.Database(t, name)
	s := open(t, url)
	bound := time.Now()
	insert := func(prefix string, n int, at time.Time) {
		id := store.FirstEventID(at)
		server.Exec(t, name, fmt.Sprintf(`INSERT INTO idempotency_keys
			SELECT 'a', '%s' || lpad(n::text, 9, '0'), '%x', repeat('x', 32)::bytea, now() + interval '1 hour'
			FROM generate_series(1, %d) AS n`,
			prefix, id[:], n))
	}
	const many = 25_000
	insert("k", many, bound.Add(time.Minute))
	release := hold(t, url)
	forget := func() (steps int) {
		for more := true; more && steps < 10; steps++ {
			var err error
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			more, err = s.Forget(ctx, "a", bound)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
		}
		return steps
	}
	if steps := forget(); steps > 4 {
		t.Errorf("%d steps", steps)
	}
	release()
	insert("a", 600, bound.Add(-time.Minute))
	insert("k1", 1100, bound.Add(-time.Minute))
	insert("z", 3, bound.Add(-time.Minute))
	if steps := forget(); steps > 4 {
		t.Errorf("%d steps", steps)
	}
	first, err := s.IdempotencyKeys(t.Context(), "a", "", 1)
	if err != nil || len(first) != 1 || first[0].Key != "k000000001" {
		t.Errorf("%+v %v", first, err)
	}
	kept := 0
	for after := ""; ; {
		keys, err := s.IdempotencyKeys(t.Context(), "a", after, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		kept, after = kept+len(keys), keys[len(keys)-1].Key
		if slices.ContainsFunc(keys, func(k store.IdempotencyKey) bool { return k.EventID.Time().Before(bound) }) {
			t.Fatal("an old one is left")
		}
	}
	if kept != many {
		t.Errorf("%d keys are left of %d", kept, many)
	}
}
