package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockWait is how long Open waits for another server to let go of the file, as in a restart.
const lockWait = 5 * time.Second

// lockRetry is how often it looks.
const lockRetry = 50 * time.Millisecond

// realPath is the file's own path, whatever links lead to it: one file, one lock, by whatever name it is called.
func realPath(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

var errInUse = errors.New("another server is using the database: stop that one, or use another file")

// lockFile locks the database, waiting a while for a server that has it. It returns errInUse when that stays.
func lockFile(ctx context.Context, path string, wait time.Duration) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	path += ".lock"
	// A lock file that is already there may be read-only, as all of the directory may be; locking needs no more.
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY), flock.SetPermissions(0o640))
	locked, err := lock.TryLockContext(ctx, lockRetry)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("sqlite: lock the database: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("sqlite: %w (%s is locked)", errInUse, path)
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
