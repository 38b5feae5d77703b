package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/schema"
)

const (
	// registryWait is how long a write waits for its turn. A server under load leaves only short gaps.
	registryWait = 15 * time.Second
	// registryReaders is how many reads may run at once; a command needs no more.
	registryReaders = 2
)

// Registry is a store.Registry on a database that a server may be using at the same time, which sees its changes.
type Registry struct{ database }

var _ store.Registry = (*Registry)(nil)

// OpenRegistry opens the registry alone. With AutoMigrate the schema is made or upgraded, unless a server has the
// database. It returns store.ErrSchema when the schema is not what this program needs.
func OpenRegistry(ctx context.Context, opts Options) (_ *Registry, err error) {
	if opts.AutoMigrate {
		if _, _, err := migrate(ctx, opts.Path, lockRetry); err != nil && !errors.Is(err, errInUse) {
			return nil, err
		}
	}
	path := realPath(opts.Path)
	file, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = schema.Check(0, newestVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	first, err := open(path, 1, registryWait, writing...)
	if err != nil {
		return nil, err
	}
	defer first.Close() //nolint:errcheck // nothing is pending
	if err := checkSchema(ctx, first); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	r := &Registry{}
	if r.reader, err = openReader(path, registryReaders); err != nil {
		return nil, err
	}
	r.writer = newWriter(path, file, registryWait, nil, nil)
	return r, nil
}

// Close releases the database.
func (r *Registry) Close() error {
	r.writer.Close()
	return r.disconnect()
}
