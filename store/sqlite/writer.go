package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/group"
)

// writer writes for everybody; callers that come together share one fsync. Each of its operations is a function that runs
// inside the group's transaction.
type writer struct {
	*group.Writer[func(*session) error]

	path       string
	file       fs.FileInfo   // which file path named when it was opened
	wait       time.Duration // for locks that another process holds
	ids        *store.IDSource
	checkpoint *checkpointer
	session    *session // nil until needed, and again after an error; only the group's goroutine touches it
}

// newWriter starts a writer. One that appends no events needs neither ids nor a checkpointer: the server beside it folds
// in what it writes.
func newWriter(path string, file fs.FileInfo, wait time.Duration, ids *store.IDSource, checkpoint *checkpointer) *writer {
	w := &writer{path: path, file: file, wait: wait, ids: ids, checkpoint: checkpoint}
	w.Writer = group.New("sqlite", w.transact)
	return w
}

// transact runs the operations in one transaction of their own. After an error the session is given up: that rolls back
// whatever was open, and the next one starts on a fresh connection, which heals a file that was made writable again.
func (w *writer) transact(ops []func(*session) error) (apart bool, err error) {
	if now, err := os.Stat(w.path); err != nil || !os.SameFile(now, w.file) {
		// What is written to a file that nobody can open any more is lost.
		return false, unavailable(errors.New("the database file was removed or replaced: restart the server"))
	}
	if err := w.apply(ops); err != nil {
		_ = w.reset()
		err = translate(err)
		return !errors.Is(err, store.ErrUnavailable), err
	}
	if _, err := w.session.commit.Exec(); err != nil {
		_ = w.reset()
		return false, unavailable(err) // whatever it is: it may have been committed
	}
	if w.checkpoint != nil {
		w.checkpoint.committed(w.session)
	}
	return false, nil
}

// apply runs the operations in a transaction that is left open.
func (w *writer) apply(ops []func(*session) error) (err error) {
	if w.session == nil {
		if w.session, err = openSession(w.path, w.wait, w.ids); err != nil {
			return err
		}
	}
	if _, err := w.session.begin.Exec(); err != nil {
		return err
	}
	for _, op := range ops {
		if err := op(w.session); err != nil {
			return err
		}
	}
	return nil
}

// reset gives the session up. When it is not called by the group's goroutine, that must have ended.
func (w *writer) reset() error {
	if w.session == nil {
		return nil
	}
	err := w.session.close()
	w.session = nil
	return err
}
