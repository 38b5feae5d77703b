// Package sqlite keeps events in one SQLite file. Writes of concurrent requests share a transaction and its fsync
// (WAL, synchronous=FULL); reads run beside them on snapshots. The package knows SQL and files, and nothing of HTTP.
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
)

// Options configures a store.
type Options struct {
	// Path is the database file. It and its directory are made when missing, and no other server may use it meanwhile.
	Path string
	// IdempotencyTTL is how long an idempotency key is remembered after it was first used.
	IdempotencyTTL time.Duration
	// Log is told what an operator should look into; nil for nobody.
	Log *slog.Logger
}

// clockTolerance is how far the newest event may be ahead of the clock without a word.
const clockTolerance = time.Minute

// lockWait is how long Open waits for another server to let go of the file, as in a restart.
const lockWait = 5 * time.Second

// Store is a store.Store on one SQLite file.
type Store struct {
	lock       *flock.Flock
	reader     *reader
	writer     *writer
	checkpoint *checkpointer
	ttl        time.Duration
}

var _ store.Store = (*Store)(nil)

// Open opens the database, making or upgrading it as needed. It fails when another server uses the file, when the file
// was made by a newer version, or when it cannot be made.
func Open(ctx context.Context, opts Options) (_ *Store, err error) {
	if err := os.MkdirAll(filepath.Dir(opts.Path), 0o750); err != nil {
		return nil, fmt.Errorf("sqlite: make the data directory: %w", err)
	}
	// One file, one lock, by whatever name it is called.
	if target, err := filepath.EvalSymlinks(opts.Path); err == nil {
		opts.Path = target
	}
	s := &Store{ttl: opts.IdempotencyTTL}
	defer func() {
		if err != nil {
			_ = s.release()
		}
	}()
	if s.lock, err = lockFile(ctx, opts.Path+".lock"); err != nil {
		return nil, err
	}
	file, err := makeFile(opts.Path)
	if err != nil {
		return nil, err
	}
	if err := thaw(opts.Path + "-shm"); err != nil {
		return nil, err
	}
	// Open until the reader is connected: the connection that makes the log and its index is the only one sure to be
	// able to write them, because they get the mode of the database, which may be read-only for now.
	first, err := open(opts.Path, 1, lockedWait, writing...)
	if err != nil {
		return nil, err
	}
	defer first.Close() //nolint:errcheck // nothing is pending
	if err := migrate(ctx, first); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, opts.Path)
	}
	if s.reader, err = openReader(opts.Path, max(4, 2*runtime.GOMAXPROCS(0))); err != nil {
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
	s.checkpoint = newCheckpointer(opts.Path)
	s.writer = newWriter(opts.Path, file, store.NewIDSource(newest), s.checkpoint)
	return s, nil
}

func lockFile(ctx context.Context, path string) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	// A lock file that is already there may be read-only, as all of the directory may be; locking needs no more.
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY), flock.SetPermissions(0o640))
	locked, err := lock.TryLockContext(ctx, 50*time.Millisecond)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("sqlite: lock the database: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("sqlite: another server is using the database (%s is locked)", path)
	}
	return lock, nil
}

// makeFile makes the database file if there is none, readable by nobody but its owner and group, which SQLite copies for
// the files beside it. It returns which file it is.
func makeFile(path string) (fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640) //nolint:gosec // the operator's own path
	if err == nil {
		err = file.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("sqlite: make the database: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return info, nil
}

// thaw makes the index of the log writable again. A server that ran while the database was read-only leaves it
// read-only, and with it SQLite would never write again, though the database may be writable by now.
func thaw(index string) error {
	info, err := os.Stat(index)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Mode().Perm()&0o200 != 0) {
		return nil
	}
	if err == nil {
		err = os.Chmod(index, info.Mode().Perm()|0o600)
	}
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}

// Check writes the heartbeat row.
func (s *Store) Check(ctx context.Context) error {
	return s.writer.do(ctx, 1, func(tx *session) error {
		_, err := tx.heartbeat.Exec(time.Now().UnixMilli())
		return err
	})
}

// Close stores what was begun, folds the write-ahead log into the database file and releases it.
func (s *Store) Close() error {
	s.writer.close()
	s.checkpoint.close()
	return s.release()
}

func (s *Store) release() error {
	var err error
	if s.reader != nil {
		err = s.reader.close()
	}
	if s.writer != nil {
		// The last connection to go folds the log in, so it has to be one that may write.
		err = errors.Join(err, s.writer.reset())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
