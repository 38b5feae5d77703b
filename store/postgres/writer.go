package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/group"
)

// groupTimeout bounds one transaction, connecting included. It is nobody's own deadline: the group is everybody's.
const groupTimeout = 10 * time.Second

// writer appends for all of this process. Callers that come together share round trips, one commit, and one turn among
// the instances.
type writer struct {
	*group.Writer[*operation]

	config  *pgconn.Config
	ttl     time.Duration
	session *session // nil until needed, and again after an error; only the group's goroutine touches it
}

// operation is one Append. The receipts are valid once it is committed.
type operation struct {
	tenant   string
	events   []store.NewEvent
	receipts []store.Receipt
}

func newWriter(config *pgconn.Config, ttl time.Duration) *writer {
	w := &writer{config: config, ttl: ttl}
	w.Writer = group.New("postgres", w.transact)
	return w
}

// close answers what waits and ends the goroutine and its session.
func (w *writer) close() {
	w.Close()
	w.reset()
}

// transact writes a group, once more if that certainly came to nothing and may do better on a fresh connection. What may
// have been committed is never written again, whatever the error is: it is an ErrUnavailable.
func (w *writer) transact(ops []*operation) (apart bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	undone, err := w.attempt(ctx, ops)
	if err != nil && undone && ctx.Err() == nil && (retryable(err) || stale(err)) {
		undone, err = w.attempt(ctx, ops)
	}
	err = translate(err)
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return false, err
	}
	if !undone {
		return false, unavailable(err)
	}
	return true, err
}

// attempt tells beside an error whether nothing was committed for certain. After an error the session is given up: that
// takes back whatever was open, and the next one starts on a fresh connection, to whichever server is there by then.
func (w *writer) attempt(ctx context.Context, ops []*operation) (undone bool, err error) {
	if w.session == nil {
		if w.session, err = openSession(ctx, w.config, w.ttl); err != nil {
			return true, err
		}
	}
	if undone, err = w.session.write(ctx, ops); err != nil {
		w.reset()
		return undone, err
	}
	w.session.trim()
	return false, nil
}

func (w *writer) reset() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}
