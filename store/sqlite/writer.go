package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// queueLength bounds the writes that wait for the next group; callers beyond it wait for a place.
	queueLength = 4096
	// groupWeight bounds the rows and pages of one group (8 MiB), so that a commit stays short.
	groupWeight = 2000
)

// writer is the one goroutine that writes. It takes all operations that wait, applies them in one transaction, and
// answers them when that is on disk: concurrent callers share one fsync.
type writer struct {
	path       string
	file       fs.FileInfo   // which file path named when it was opened
	wait       time.Duration // for locks that another process holds
	ids        *store.IDSource
	checkpoint *checkpointer
	queue      chan *operation
	stopped    chan struct{}

	mu     sync.RWMutex // held for reading while sending to queue, so that close can close it
	closed bool

	session *session // nil until needed, and again after an error; only the writer's goroutine touches it
}

// operation is one caller's part of a group. apply runs inside the group's transaction, more than once if the group has
// to be taken apart; what it found is valid when done brings nil.
type operation struct {
	ctx    context.Context //nolint:containedctx // it travels with the operation through the queue
	weight int
	apply  func(*session) error
	done   chan error
}

// newWriter starts a writer. One that appends no events needs neither ids nor a checkpointer: the server beside it folds
// in what it writes.
func newWriter(path string, file fs.FileInfo, wait time.Duration, ids *store.IDSource, checkpoint *checkpointer) *writer {
	w := &writer{
		path: path, file: file, wait: wait, ids: ids, checkpoint: checkpoint,
		queue: make(chan *operation, queueLength), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// do has apply run and committed. When ctx ends first it returns ErrUnavailable: an operation that was still waiting is
// dropped, one that was being written may take effect.
func (w *writer) do(ctx context.Context, weight int, apply func(*session) error) error {
	op := &operation{ctx: ctx, weight: weight, apply: apply, done: make(chan error, 1)}
	if err := w.send(ctx, op); err != nil {
		return err
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

func (w *writer) send(ctx context.Context, op *operation) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return closed()
	}
	select {
	case w.queue <- op:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// close answers what waits and ends the goroutine. The session stays, for reset.
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
	group := make([]*operation, 0, 256)
	for op := range w.queue {
		group = w.gather(append(group[:0], op))
		w.commit(group)
		clear(group)
	}
}

// gather adds what waits to a group. Before it settles for what is there, it lets requests that are ready to run have
// their turn: when there are none this costs nothing, and under load it makes groups larger and fsyncs fewer.
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
	err := w.transact(live...)
	if err == nil || len(live) == 1 || errors.Is(err, store.ErrUnavailable) {
		for _, op := range live {
			op.done <- err
		}
		return
	}
	// Something is wrong with one of them, and the others should not pay for it.
	for _, op := range live {
		op.done <- w.transact(op)
	}
}

// transact applies the operations in one transaction of their own. After an error the session is given up: that rolls
// back whatever was open, and the next one starts on a fresh connection, which heals a file that was made writable again.
func (w *writer) transact(ops ...*operation) (err error) {
	if now, err := os.Stat(w.path); err != nil || !os.SameFile(now, w.file) {
		// What is written to a file that nobody can open any more is lost.
		return unavailable(errors.New("the database file was removed or replaced: restart the server"))
	}
	defer func() {
		if err != nil {
			_ = w.reset()
			err = translate(err)
		}
	}()
	if w.session == nil {
		if w.session, err = openSession(w.path, w.wait, w.ids); err != nil {
			return err
		}
	}
	if _, err := w.session.begin.Exec(); err != nil {
		return err
	}
	for _, op := range ops {
		if err := op.apply(w.session); err != nil {
			return err
		}
	}
	if _, err := w.session.commit.Exec(); err != nil {
		return err
	}
	if w.checkpoint != nil {
		w.checkpoint.committed(w.session)
	}
	return nil
}

func (w *writer) reset() error {
	if w.session == nil {
		return nil
	}
	err := w.session.close()
	w.session = nil
	return err
}
