package sqlite

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// checkpointPages is how much the log grows before it is folded into the database file: 16 MiB.
	checkpointPages = 4096
	// checkpointTimeout bounds one checkpoint.
	checkpointTimeout = 30 * time.Second
	// checkpointPause keeps checkpoints apart while a long reader holds on to the log and they can do little.
	checkpointPause = 100 * time.Millisecond
	// eraseEvery is how often the log is emptied if it may hold erased payloads.
	eraseEvery = 5 * time.Second
	// eraseWait is how long emptying the log may hold up the writer while readers look at it.
	eraseWait = 20 * time.Millisecond
)

// checkpointer folds the write-ahead log into the database file beside the writer, so that no commit waits for it. Most
// of the work is done on a connection of its own while commits go on; the writer then copies the little that came
// meanwhile, between two commits, which lets SQLite begin the log anew instead of growing it for ever.
type checkpointer struct {
	path    string
	due     chan struct{} // holds a token while a checkpoint is wanted
	rest    atomic.Bool   // the writer is to copy what is left
	erased  atomic.Bool   // the log may hold erased payloads
	cancel  context.CancelFunc
	stopped chan struct{}
}

func newCheckpointer(path string) *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{path: path, due: make(chan struct{}, 1), cancel: cancel, stopped: make(chan struct{})}
	c.erased.Store(true) // by a server that was killed before it had emptied the log
	go c.run(ctx)
	return c
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.stopped)
	erase := time.NewTicker(eraseEvery)
	defer erase.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-erase.C:
			if c.erased.Swap(false) && c.emptyLog(ctx) != nil {
				c.erased.Store(true)
			}
		case <-c.due:
			// Failing is harmless: the log stays, and the next checkpoint copies it.
			if c.copyLog(ctx) == nil {
				c.rest.Store(true)
			}
			select {
			case <-ctx.Done():
			case <-time.After(checkpointPause):
			}
		}
	}
}

func (c *checkpointer) copyLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkpointTimeout)
	defer cancel()
	db, err := open(c.path, 1, lockedWait, writing...)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing is pending
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	return err
}

// emptyLog folds all of the log in and cuts the file, so that nothing that was erased from the database survives in it.
func (c *checkpointer) emptyLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkpointTimeout)
	defer cancel()
	db, err := open(c.path, 1, eraseWait, writing...)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing is pending
	// Most of it beside the writer, so that little is left to do while it is held up.
	if _, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
		return err
	}
	var busy, pages, folded int
	if err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &folded); err != nil {
		return err
	}
	if busy != 0 {
		return errLogInUse
	}
	return nil
}

var errLogInUse = errors.New("readers or the writer are using the log")

// committed is called by the writer after each commit.
func (c *checkpointer) committed(s *session) {
	if s.erased {
		s.erased = false
		c.erased.Store(true)
	}
	if c.rest.CompareAndSwap(true, false) {
		_, _ = s.checkpoint.Exec() // as above
	}
	if pages, err := s.logged(); err != nil || pages < checkpointPages {
		return
	}
	select {
	case c.due <- struct{}{}:
	default: // one is wanted already
	}
}

func (c *checkpointer) close() {
	c.cancel()
	<-c.stopped
}
