package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes a directory for the run below parent, and returns it with what removes it again. It is not the system's
// directory for temporary files, because that may be in memory, where an fsync costs nothing. Other users may pass
// through it: PostgreSQL's does when this runs as root.
func makeDir(parent string) (dir string, remove func(), err error) {
	_, err = os.Stat(parent)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(parent, "bench-"); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintf(os.Stderr, "bench: remove %s by hand: %v\n", dir, err)
		}
		if made {
			_ = os.Remove(parent) // stays if something else is in it by now
		}
	}, nil
}
