package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testMark(t *testing.T, h Harness) {
	t.Run("OK", func(t *testing.T) {
		ctx, s := setup(t, h)
		began := store.Now()
		before := appendMany(t, s, tenantA, 300)
		last := time.Time{}
		for range 5 { // each divides what is between them
			mark, err := s.Mark(ctx)
			must(t, err)
			if mark.Before(began) || mark.Location() != time.UTC || !mark.Equal(mark.Truncate(time.Millisecond)) {
				t.Errorf("marked %s, begun at %s", mark, began)
			}
			for _, id := range before {
				if at := id.Time(); !at.Before(mark) || at.Before(last) {
					t.Fatalf("%s was accepted between %s and %s", at, last, mark)
				}
			}
			last, before = mark, appendMany(t, s, tenantB, 10)
		}
		if at := before[0].Time(); at.Before(last) {
			t.Errorf("%s was accepted after %s", at, last)
		}
	})
	t.Run("Concurrent", func(t *testing.T) {
		_, s := setup(t, h)
		marks(t, s)
	})
	t.Run("Ahead", func(t *testing.T) {
		// Ids that are ahead of the clock are on the right side too.
		ctx, s := setup(t, h)
		must(t, s.Import(ctx, tenantB, []store.Event{imported(time.Now().Add(time.Hour))}, nil))
		before := appendAll(t, s, tenantA, keyed("k"))[0]
		mark, err := s.Mark(ctx)
		must(t, err)
		after := appendAll(t, s, tenantA, keyed("later"))[0]
		if !before.Time().Before(mark) || after.Time().Before(mark) {
			t.Errorf("%s and %s around %s", before.Time(), after.Time(), mark)
		}
		if n := purge(t, s, tenantA, mark); n != 1 {
			t.Errorf("%d events went", n)
		}
		forget(t, s, tenantA, mark)
		appendAll(t, s, tenantA, keyed("k"))
		receipts, err := s.Append(ctx, tenantA, []store.NewEvent{keyed("later")})
		must(t, err)
		if want := (store.Receipt{ID: after, Outcome: store.Duplicate}); receipts[0] != want {
			t.Errorf("got %+v, want %+v", receipts[0], want)
		}
	})
}

// marks takes marks while others append, over all instances: what was answered before is before a mark, what is sent
// afterwards is not.
func marks(t *testing.T, s ...store.Store) {
	t.Helper()
	const writers, rounds = 6, 20
	var mark atomic.Pointer[time.Time]
	var mu sync.Mutex
	var answered []store.EventID
	var stop atomic.Bool
	var written sync.WaitGroup
	for i := range writers {
		written.Go(func() {
			for !stop.Load() {
				after := mark.Load()
				receipts, err := s[i%len(s)].Append(t.Context(), tenantA, []store.NewEvent{plain()})
				if err != nil {
					t.Error(err)
					return
				}
				id := receipts[0].ID
				if after != nil && id.Time().Before(*after) {
					t.Errorf("%s was sent after %s", id.Time(), after)
				}
				mu.Lock()
				answered = append(answered, id)
				mu.Unlock()
			}
		})
	}
	for round := range rounds {
		mu.Lock()
		before := answered
		mu.Unlock()
		m, err := s[round%len(s)].Mark(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		for _, id := range before {
			if !id.Time().Before(m) {
				t.Errorf("%s was answered before %s", id.Time(), m)
			}
		}
		mark.Store(&m)
	}
	stop.Store(true)
	written.Wait()
}
