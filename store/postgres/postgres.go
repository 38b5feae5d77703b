// Package postgres is the engine for several instances of the server on one PostgreSQL database. It knows nothing of
// HTTP.
//
// Events are appended by one writer for each process, which commits the appends of concurrent callers together. The
// writers of all processes take turns under an advisory lock, so that ids follow the order of commits everywhere.
// Everything else runs on a pool of connections and relies on row locks.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/schema"
)

// Options says which database to use and how.
type Options struct {
	// URL is postgres://user:password@host:port/database, with parameters as libpq and pgxpool know them. Several hosts
	// with target_session_attrs=read-write follow a failover.
	URL string
	// IdempotencyTTL is how long idempotency keys are remembered.
	IdempotencyTTL time.Duration
	// AutoMigrate has Open bring the schema up to date.
	AutoMigrate bool
	// Log gets warnings; nil for nobody.
	Log *slog.Logger
}

// openTimeout bounds Open, upgrading the schema included.
const openTimeout = 10 * time.Second

// Store is a store.Store on one PostgreSQL database.
type Store struct {
	pool   *pgxpool.Pool
	writer *writer
	schema int64 // the version this program needs
	log    *slog.Logger
	closed atomic.Bool

	renewed     atomic.Int64 // when the pool's connections were last given up, in Unix nanoseconds
	clocksApart atomic.Bool  // as compareClocks found them last

	// looks has the idempotency key that each look ended with that is not at its end.
	looks *lru.Cache[look, string]
}

var _ store.Store = (*Store)(nil)

// Open connects to the database. It returns ErrUnavailable when that is not possible right now, ErrSchema when the
// database has another schema than this program and may not be upgraded, and other errors when the server refuses the
// user or has no such database.
func Open(ctx context.Context, opts Options) (_ *Store, err error) {
	config, err := parseURL(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: the database URL %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s := &Store{log: opts.Log}
	if s.looks, err = lru.New[look, string](looksKept); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if s.schema, err = schema.Newest(migrations()); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := s.prepare(ctx, opts); err != nil {
		s.pool.Close()
		return nil, err
	}
	s.writer = newWriter(&config.ConnConfig.Config, opts.IdempotencyTTL)
	return s, nil
}

// prepare makes sure that the database is as it has to be.
func (s *Store) prepare(ctx context.Context, opts Options) error {
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return checkEncoding(conn.Conn().PgConn())
	})
	if misconfigured(err) {
		return fmt.Errorf("postgres: %w", err)
	}
	if err != nil {
		return translate(err)
	}
	current, err := version(s.pool.QueryRow(ctx, selectVersion))
	if err != nil {
		return translate(err)
	}
	if opts.AutoMigrate && current < s.schema {
		_, upgraded, err := migrate(ctx, s.pool.Config().ConnConfig, openTurns)
		if errors.Is(err, context.DeadlineExceeded) {
			// What Open is called for again would be cancelled again.
			return fmt.Errorf(`postgres: %w: the upgrade from version %d to %d does not end in time: run "triggers migrate"`,
				store.ErrSchema, current, s.schema)
		}
		if err != nil {
			return err
		}
		current = upgraded
	}
	if err := schema.Check(current, s.schema); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return s.checkClocks(ctx)
}

// Traits implements store.Store.
func (s *Store) Traits() store.Traits { return store.Traits{CommitOrder: true, FreshLists: true} }

// Check writes the heartbeat row and compares the version of the schema, and the clocks.
func (s *Store) Check(ctx context.Context) error {
	return s.repeatable(ctx, func(ctx context.Context) error {
		current, err := version(s.pool.QueryRow(ctx, selectVersion))
		if err != nil {
			return err
		}
		if err := schema.Check(current, s.schema); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		var now time.Time
		if err := s.pool.QueryRow(ctx, `INSERT INTO heartbeat (id, checked_at) VALUES (1, now())
			ON CONFLICT (id) DO UPDATE SET checked_at = excluded.checked_at RETURNING clock_timestamp()`).Scan(&now); err != nil {
			return err
		}
		s.compareClocks(now)
		return nil
	})
}

// Close stores what was begun and closes the connections.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.writer.close()
	s.pool.Close()
	return nil
}

// callTimeout bounds a call whose caller does not.
const callTimeout = 20 * time.Second

// repeatable runs f, and once more if a connection turned out to be stale or the server took its transaction back. What
// f does has to be the same when done twice.
func (s *Store) repeatable(ctx context.Context, f func(context.Context) error) error {
	return s.call(ctx, f, func(err error) bool { return stale(err) || retryable(err) })
}

// once is repeatable for what must not be done twice: it runs f again only if nothing was done.
func (s *Store) once(ctx context.Context, f func(context.Context) error) error {
	return s.call(ctx, f, retryable)
}

func (s *Store) call(ctx context.Context, f func(context.Context) error, again func(error) bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	if s.closed.Load() {
		return closed()
	}
	if stale(err) {
		s.renew()
	}
	if again(err) {
		err = f(ctx)
	}
	return translate(err)
}

// renewPause keeps apart what a server that makes all connections stale, such as a read-only one, would cause with every
// call.
const renewPause = time.Second

// renew gives up the pool's connections: where one is stale, so are the others.
func (s *Store) renew() {
	last, now := s.renewed.Load(), time.Now().UnixNano()
	if now-last >= int64(renewPause) && s.renewed.CompareAndSwap(last, now) {
		s.pool.Reset()
	}
}
