// Package group lets concurrent callers share transactions: one goroutine takes all operations that wait, has them
// committed together, and answers their callers. It knows neither SQL nor what an operation is.
package group

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/triggers-api/triggers/store"
)

const (
	// queueLength bounds the operations that wait for the next group; callers beyond it wait for a place.
	queueLength = 4096
	// groupWeight bounds the rows and pages of one group (8 MiB), so that a commit stays short.
	groupWeight = 2000
)

// Transact applies operations durably in one transaction, all or none, in their order. When it fails it tells whether
// they may be tried one by one: only when nothing of them was committed for certain, and the fault may be that of one
// operation. An operation can be applied more than once, so what it found is valid only when its Do has returned nil.
type Transact[T any] func(ops []T) (apart bool, err error)

// Writer is the one goroutine that writes.
type Writer[T any] struct {
	engine   string
	transact Transact[T]
	queue    chan *operation[T]
	stopped  chan struct{}
	ops      []T // kept for its memory

	mu     sync.RWMutex // held for reading while sending to queue, so that Close can close it
	closed bool
}

// operation is one caller's part of a group.
type operation[T any] struct {
	ctx    context.Context //nolint:containedctx // it travels with the operation through the queue
	op     T
	weight int
	done   chan error
}

// New starts a writer, which calls transact from one goroutine alone. Errors begin with the engine's name.
func New[T any](engine string, transact Transact[T]) *Writer[T] {
	w := &Writer[T]{
		engine: engine, transact: transact, queue: make(chan *operation[T], queueLength), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// Weight is how much events add to a commit: each a row, and each page of payload as much as a row.
func Weight(events []store.NewEvent) int {
	const page = 4096
	n := len(events)
	for i := range events {
		n += len(events[i].Payload) / page
	}
	return n
}

// Do has an operation written and committed, and returns transact's error. The weight is how many rows it writes. When ctx
// ends first Do returns ErrUnavailable: an operation that was still waiting is dropped, one that was being written may take
// effect. After Close it returns ErrClosed.
func (w *Writer[T]) Do(ctx context.Context, weight int, op T) error {
	o := &operation[T]{ctx: ctx, op: op, weight: weight, done: make(chan error, 1)}
	if err := w.send(o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return w.gone(ctx)
	}
}

func (w *Writer[T]) send(o *operation[T]) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fmt.Errorf("%s: %w", w.engine, store.ErrClosed)
	}
	select {
	case w.queue <- o:
		return nil
	case <-o.ctx.Done():
		return w.gone(o.ctx)
	}
}

func (w *Writer[T]) gone(ctx context.Context) error {
	return fmt.Errorf("%s: %w: %w", w.engine, store.ErrUnavailable, ctx.Err())
}

// Close has what waits written and answered, and ends the goroutine.
func (w *Writer[T]) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.stopped
}

func (w *Writer[T]) run() {
	defer close(w.stopped)
	group := make([]*operation[T], 0, 256)
	for o := range w.queue {
		group = w.gather(append(group[:0], o))
		w.commit(group)
		clear(group)
	}
}

// gather adds what waits to a group. Before it settles for what is there, it lets requests that are ready to run have
// their turn: when there are none this costs nothing, and under load it makes groups larger and commits fewer.
func (w *Writer[T]) gather(group []*operation[T]) []*operation[T] {
	weight, yielded := group[0].weight, false
	for weight < groupWeight {
		select {
		case o, ok := <-w.queue:
			if !ok {
				return group
			}
			group, weight, yielded = append(group, o), weight+o.weight, false
		default:
			if yielded {
				return group
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return group
}

func (w *Writer[T]) commit(group []*operation[T]) {
	live, ops := group[:0], w.ops[:0]
	for _, o := range group {
		if o.ctx.Err() != nil {
			o.done <- w.gone(o.ctx) // its caller has been told that it failed
			continue
		}
		live, ops = append(live, o), append(ops, o.op)
	}
	if len(live) == 0 {
		return
	}
	apart, err := w.transact(ops)
	clear(ops)
	w.ops = ops
	if err == nil || !apart || len(live) == 1 {
		for _, o := range live {
			o.done <- err
		}
		return
	}
	// Something is wrong with one of them, and the others should not pay for it.
	for i := range live {
		w.commit(live[i : i+1])
	}
}
