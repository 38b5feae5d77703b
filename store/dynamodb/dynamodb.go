// Package dynamodb keeps everything in one DynamoDB table. Instances share the table and need nothing of each other:
// what must happen once is a conditional write. The package knows AWS, and nothing of HTTP.
package dynamodb

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/triggers-api/triggers/store"
)

// Options configures a store. Credentials are found as AWS's own tools find them: environment, shared files, the role of
// the container or the machine.
type Options struct {
	// Region is where the table is; what the environment or the shared files say when empty.
	Region string
	// Table is its name.
	Table string
	// Endpoint is the URL of the service; AWS's own when empty.
	Endpoint string
	// IdempotencyTTL is how long an idempotency key is remembered after it was first used.
	IdempotencyTTL time.Duration
	// Retention says how long a tenant's events are kept, by when they were created: 0 for ever. It decides when an event
	// is stored, and later changes do not reach that event. Nil keeps all for ever.
	Retention func(tenantID string) time.Duration
	// AutoMigrate has Open make the table if it is not there.
	AutoMigrate bool
	// Log is told what an operator should look into; nil for nobody.
	Log *slog.Logger
}

const (
	// openTimeout bounds Open.
	openTimeout = 10 * time.Second
	// operationTimeout bounds every operation whose caller does not bound it more tightly, retries included.
	operationTimeout = 20 * time.Second
	// atomicAppend events with a key each take two actions, and 2 MiB of payloads at most five further items, of the 100
	// actions that a transaction can have.
	atomicAppend = 45
	// clockTolerance is how far the newest imported event may be ahead of the clock without a word.
	clockTolerance = time.Minute
	// knownTenants is how many tenants with events an instance keeps in mind. Of the others each append costs a write to a
	// partition that all tenants share.
	knownTenants = 100_000
	// knownWalks is how many tenants' idempotency keys can be on their way out at a time.
	knownWalks = 1000
)

// Store is a store.Store on one DynamoDB table.
type Store struct {
	table
	client    *http.Client
	ttl       time.Duration
	retention func(tenantID string) time.Duration

	// withEvents are the tenants that are known to be on the list of tenants with events.
	withEvents *lru.Cache[string, struct{}]
	// walks say how far Forget has come.
	walks *lru.Cache[walkKey, walk]

	idsMu sync.Mutex
	ids   *store.IDSource

	mu      sync.RWMutex
	closed  bool
	running sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects to the table. It returns store.ErrUnavailable when DynamoDB cannot be reached or does not accept the
// credentials, and when the table was made only now and is not ready; store.ErrSchema when the table is not there or not
// as this program needs it and AutoMigrate could not help; any other error is a mistake in the options.
func Open(ctx context.Context, opts Options) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	withEvents, err := lru.New[string, struct{}](knownTenants)
	if err != nil {
		return nil, fmt.Errorf("dynamodb: %w", err)
	}
	walks, err := lru.New[walkKey, walk](knownWalks)
	if err != nil {
		return nil, fmt.Errorf("dynamodb: %w", err)
	}
	t, client, err := connect(ctx, opts)
	if err != nil {
		return nil, err
	}
	current, err := t.open(ctx, opts.AutoMigrate)
	if err != nil {
		client.CloseIdleConnections()
		return nil, err
	}
	if ahead := time.Until(current.newest.Time()); ahead > clockTolerance && opts.Log != nil {
		opts.Log.Warn("events of the future were imported: the clock is behind, or another was ahead; new events get times after them",
			"newest", current.newest.Time(), "ahead", ahead.String())
	}
	retention := opts.Retention
	if retention == nil {
		retention = func(string) time.Duration { return 0 }
	}
	return &Store{
		table: t, client: client, ttl: opts.IdempotencyTTL, retention: retention, withEvents: withEvents,
		walks: walks, ids: store.NewIDSource(current.newest),
	}, nil
}

// Traits implements store.Store. Lists come from an index that DynamoDB updates a moment later, and each instance
// assigns ids by its own clock.
func (s *Store) Traits() store.Traits {
	return store.Traits{CommitOrder: false, FreshLists: false, AtomicAppend: atomicAppend}
}

// Close waits for what was begun, operationTimeout at most, and closes the connections.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	s.client.CloseIdleConnections()
	return nil
}

// begin is called first by every operation, and what it returns when the operation is over. It refuses a caller that is
// gone, so that nothing is sent for it, and nothing is answered where nothing had to be sent.
func (s *Store) begin(ctx context.Context) (bounded context.Context, end func(), err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, nil, fmt.Errorf("dynamodb: %w", store.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, s.failed(err)
	}
	s.running.Add(1)
	bounded, cancel := context.WithTimeout(ctx, operationTimeout)
	return bounded, func() {
		cancel()
		s.running.Done()
	}, nil
}

// Mark implements store.Eraser.
func (s *Store) Mark(ctx context.Context) (time.Time, error) {
	_, end, err := s.begin(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer end()
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	mark := s.ids.Next().Time().Add(time.Millisecond)
	s.ids = store.NewIDSource(store.FirstEventID(mark))
	return mark, nil
}

func (s *Store) nextID() store.EventID {
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	return s.ids.Next()
}
