package sqlite

import (
	"context"
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
)

// checkpointer folds the write-ahead log into the database file beside the writer, so that no commit waits for it. Most
// of the work is done on a connection of its own while commits go on; the writer then copies the little that came
// meanwhile, between two commits, which lets SQLite begin the log anew instead of growing it for ever.
type checkpointer struct {
	path    string
	due     chan struct{} // holds a token while a checkpoint is wanted
	rest    atomic.Bool   // the writer is to copy what is left
	cancel  context.CancelFunc
	stopped chan struct{}
}

func newCheckpointer(path string) *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{path: path, due: make(chan struct{}, 1), cancel: cancel, stopped: make(chan struct{})}
	go c.run(ctx)
	return c
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.stopped)
	for {
		select {
		case <-ctx.Done():
			return
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
	db, err := open(c.path, 1, writing...)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing is pending
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	return err
}

// committed is called by the writer after each commit.
func (c *checkpointer) committed(s *session) {
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
