// Package sqlite keeps events, tenants and API keys in one SQLite file. Writes of concurrent requests share a transaction
// and its fsync (WAL, synchronous=FULL); reads run beside them on snapshots. The package knows SQL and files, and nothing
// of HTTP.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/schema"
)

// Options configures a store.
type Options struct {
	// Path is the database file. It and its directory are made when missing.
	Path string
	// IdempotencyTTL is how long an idempotency key is remembered after it was first used.
	IdempotencyTTL time.Duration
	// AutoMigrate has the schema made or upgraded as needed.
	AutoMigrate bool
	// Log is told what an operator should look into; nil for nobody.
	Log *slog.Logger
}

// clockTolerance is how far the newest event may be ahead of the clock without a word.
const clockTolerance = time.Minute

// Store is a store.Store on one SQLite file.
type Store struct {
	database
	lock       *flock.Flock
	checkpoint *checkpointer
	ttl        time.Duration
}

var _ store.Store = (*Store)(nil)

// Open opens the database, which no other server may use meanwhile. It returns store.ErrSchema when the schema is newer
// than this program, or older without AutoMigrate. No other error of a local file goes away by waiting, so none is an
// ErrUnavailable.
func Open(ctx context.Context, opts Options) (_ *Store, err error) {
	s := &Store{ttl: opts.IdempotencyTTL}
	defer func() {
		if err != nil {
			_ = s.release()
		}
	}()
	path, file, err := s.take(ctx, opts.Path, lockWait)
	if err != nil {
		return nil, err
	}
	// Open until the reader is connected: the connection that makes the log and its index is the only one sure to be
	// able to write them, because they get the mode of the database, which may be read-only for now.
	first, err := open(path, 1, lockedWait, writing...)
	if err != nil {
		return nil, err
	}
	defer first.Close() //nolint:errcheck // nothing is pending
	if opts.AutoMigrate {
		_, _, err = upgrade(ctx, first)
	} else {
		err = checkSchema(ctx, first)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	if s.reader, err = openReader(path, max(4, 2*runtime.GOMAXPROCS(0))); err != nil {
		return nil, err
	}
	newest, err := s.reader.newestID(ctx)
	if err != nil {
		return nil, err
	}
	if ahead := time.Until(newest.Time()); ahead > clockTolerance && opts.Log != nil {
		opts.Log.Warn("the newest event is of the future: the clock is behind, or was ahead; new events get times after it",
			"newest", newest.Time(), "ahead", ahead.String())
	}
	s.checkpoint = newCheckpointer(path)
	s.writer = newWriter(path, file, lockedWait, store.NewIDSource(newest), s.checkpoint)
	return s, nil
}

// take locks the database file, makes it if there is none, and returns its own path and which file it is.
func (s *Store) take(ctx context.Context, name string, wait time.Duration) (path string, file fs.FileInfo, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return "", nil, fmt.Errorf("sqlite: make the data directory: %w", err)
	}
	path = realPath(name)
	if s.lock, err = lockFile(ctx, path, wait); err != nil {
		return "", nil, err
	}
	if file, err = makeFile(path); err != nil {
		return "", nil, err
	}
	return path, file, thaw(path + "-shm")
}

// Traits implements store.Store: one process, one writer, and readers that see all it has committed.
func (*Store) Traits() store.Traits { return store.Traits{CommitOrder: true, FreshLists: true} }

// Check implements store.Store. It writes the heartbeat row.
func (s *Store) Check(ctx context.Context) error {
	var current int64
	err := s.writer.Do(ctx, 1, func(tx *session) error {
		if _, err := tx.heartbeat.Exec(time.Now().UnixMilli()); err != nil {
			return err
		}
		return tx.version.QueryRow().Scan(&current)
	})
	if err != nil {
		return err
	}
	if err := schema.Check(current, newestVersion); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}

// Close stores what was begun, folds the write-ahead log into the database file and releases it.
func (s *Store) Close() error {
	s.writer.Close()
	s.checkpoint.close()
	return s.release()
}

func (s *Store) release() error {
	err := s.disconnect()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
