package group_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/group"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBad = errors.New("bad")

const (
	first = -1 // is held up until the others wait
	bad   = 7
	size  = 20
)

// together has operations 0 to size-1 committed in one group, each under the context that of gives it, and returns what
// transact was given and what their callers were told.
func together(t *testing.T, of func(op int) context.Context, transact group.Transact[int]) (given [][]int, told []error) {
	t.Helper()
	held, holding := make(chan struct{}), make(chan struct{})
	w := group.New("engine", func(ops []int) (bool, error) {
		if ops[0] == first {
			close(holding)
			<-held
			return false, nil
		}
		given = append(given, slices.Clone(ops))
		return transact(ops)
	})
	var callers sync.WaitGroup
	callers.Go(func() {
		if err := w.Do(t.Context(), 1, first); err != nil {
			t.Error(err)
		}
	})
	<-holding
	told = make([]error, size)
	for op := range size {
		callers.Go(func() { told[op] = w.Do(of(op), 1, op) })
	}
	w.Await(size)
	close(held)
	callers.Wait()
	w.Close()
	return given, told
}

func TestWriter(t *testing.T) {
	t.Parallel()
	always := func(int) context.Context { return t.Context() }
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		given, told := together(t, always, func([]int) (bool, error) { return false, nil })
		if len(given) != 1 || len(given[0]) != size || errors.Join(told...) != nil {
			t.Errorf("%v: %v", given, told)
		}
	})
	t.Run("ErrApart", func(t *testing.T) {
		t.Parallel()
		given, told := together(t, always, func(ops []int) (bool, error) {
			if slices.Contains(ops, bad) {
				return true, errBad
			}
			return false, nil
		})
		if len(given) != 1+size {
			t.Errorf("%v", given)
		}
		for op, err := range told {
			if errors.Is(err, errBad) != (op == bad) {
				t.Errorf("operation %d: %v", op, err)
			}
		}
	})
	t.Run("ErrTogether", func(t *testing.T) {
		t.Parallel()
		given, told := together(t, always, func([]int) (bool, error) { return false, errBad })
		if len(given) != 1 {
			t.Errorf("what may be committed was written again: %v", given)
		}
		for op, err := range told {
			if !errors.Is(err, errBad) {
				t.Errorf("operation %d: %v", op, err)
			}
		}
	})
	t.Run("ErrGone", func(t *testing.T) {
		t.Parallel()
		gone, cancel := context.WithCancel(t.Context())
		given, told := together(t, func(op int) context.Context {
			if op == bad {
				return gone
			}
			return t.Context()
		}, func([]int) (bool, error) {
			cancel()
			return true, errBad
		})
		// Taken apart, the one whose caller has gone meanwhile is left out.
		if len(given) != size {
			t.Errorf("%v", given)
		}
		if !errors.Is(told[bad], store.ErrUnavailable) || !errors.Is(told[0], errBad) {
			t.Errorf("%v", told)
		}
	})
	t.Run("ErrClosed", func(t *testing.T) {
		t.Parallel()
		w := group.New("engine", func([]int) (bool, error) { return false, nil })
		w.Close()
		w.Close()
		if err := w.Do(t.Context(), 1, 1); !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
}
