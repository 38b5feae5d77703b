package postgres

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/triggers-api/triggers/store"
)

const (
	// queueLength bounds the appends that wait for the next group; callers beyond it wait for a place.
	queueLength = 4096
	// groupWeight bounds the rows and pages of one group (8 MiB), so that a commit stays short.
	groupWeight = 2000
	// groupTimeout bounds one transaction, connecting included. It is nobody's own deadline: the group is everybody's.
	groupTimeout = 10 * time.Second
)

// writer is the one goroutine of this process that appends. It takes all appends that wait, writes them in one
// transaction, and answers them when that is on disk: concurrent callers share round trips, one commit, and one turn
// among the instances.
type writer struct {
	config  *pgconn.Config
	ttl     time.Duration
	queue   chan *operation
	stopped chan struct{}

	mu     sync.RWMutex // held for reading while sending to queue, so that close can close it
	closed bool

	session *session // nil until needed, and again after an error; only the writer's goroutine touches it
}

// operation is one caller's part of a group. The receipts are valid when done brings nil.
type operation struct {
	ctx      context.Context //nolint:containedctx // it travels with the operation through the queue
	tenant   string
	events   []store.NewEvent
	receipts []store.Receipt
	weight   int
	done     chan error
}

func newWriter(config *pgconn.Config, ttl time.Duration) *writer {
	w := &writer{config: config, ttl: ttl, queue: make(chan *operation, queueLength), stopped: make(chan struct{})}
	go w.run()
	return w
}

// do has the operation written and committed. When its context ends first it returns ErrUnavailable: an operation that
// was still waiting is dropped, one that was being written may take effect.
func (w *writer) do(op *operation) error {
	if err := w.send(op); err != nil {
		return err
	}
	select {
	case err := <-op.done:
		return err
	case <-op.ctx.Done():
		return unavailable(op.ctx.Err())
	}
}

func (w *writer) send(op *operation) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return closed()
	}
	select {
	case w.queue <- op:
		return nil
	case <-op.ctx.Done():
		return unavailable(op.ctx.Err())
	}
}

// close answers what waits and ends the goroutine and its session.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	defer w.reset()
	group := make([]*operation, 0, 256)
	for op := range w.queue {
		group = w.gather(append(group[:0], op))
		w.commit(group)
		clear(group)
	}
}

// gather adds what waits to a group. Before it settles for what is there, it lets requests that are ready to run have
// their turn: when there are none this costs nothing, and under load it makes groups larger and commits fewer.
func (w *writer) gather(group []*operation) []*operation {
	weight, yielded := group[0].weight, false
	for weight < groupWeight {
		select {
		case op, ok := <-w.queue:
			if !ok {
				return group
			}
			group, weight, yielded = append(group, op), weight+op.weight, false
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

func (w *writer) commit(group []*operation) {
	live := group[:0]
	for _, op := range group {
		if op.ctx.Err() != nil {
			op.done <- unavailable(op.ctx.Err()) // its caller has been told that it failed
			continue
		}
		live = append(live, op)
	}
	if len(live) == 0 {
		return
	}
	err := w.transact(live)
	// When it is unknown whether the commit took effect, the error is an ErrUnavailable.
	if err == nil || len(live) == 1 || errors.Is(err, store.ErrUnavailable) {
		for _, op := range live {
			op.done <- err
		}
		return
	}
	// Something is wrong with one of them, and the others should not pay for it.
	for i, op := range live {
		op.done <- w.transact(live[i : i+1])
	}
}

// transact applies the operations in one transaction of their own, once more if that certainly did not take effect and
// may do better.
func (w *writer) transact(group []*operation) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	committing, err := w.attempt(ctx, group)
	if err != nil && ctx.Err() == nil && (undone(err) || (!committing && stale(err))) {
		_, err = w.attempt(ctx, group)
	}
	return translate(err)
}

// attempt tells beside the error whether a commit was asked for. After an error the session is given up: that takes back
// whatever was open, and the next one starts on a fresh connection, to whichever server is there by then.
func (w *writer) attempt(ctx context.Context, group []*operation) (committing bool, err error) {
	if w.session == nil {
		if w.session, err = openSession(ctx, w.config, w.ttl); err != nil {
			return false, err
		}
	}
	err = w.session.write(ctx, group)
	committing = w.session.committing
	if err != nil {
		w.reset()
		return committing, err
	}
	w.session.trim()
	return committing, nil
}

func (w *writer) reset() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}
