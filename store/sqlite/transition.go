package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/triggers-api/triggers/store"
)

// Acknowledge implements store.Events.
func (s *Store) Acknowledge(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, tenantID, ids, store.Acknowledged)
}

// Delete implements store.Events.
func (s *Store) Delete(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, tenantID, ids, store.Deleted)
}

func (s *Store) transition(ctx context.Context, tenantID string, ids []store.EventID, to store.Status) ([]store.Transition, error) {
	transitions := make([]store.Transition, len(ids))
	err := s.writer.Do(ctx, len(ids), func(tx *session) error {
		now := time.Now().UnixMilli()
		for i, id := range ids {
			t, err := tx.transition(tenantID, id, to, now)
			if err != nil {
				return err
			}
			transitions[i] = t
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return transitions, nil
}

func (s *session) transition(tenantID string, id store.EventID, to store.Status, now int64) (store.Transition, error) {
	update := s.acknowledge
	if to == store.Deleted {
		update = s.erase
	}
	result, err := update.Exec(now, tenantID, id[:])
	if err != nil {
		return store.Transition{}, err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		s.erased = s.erased || to == store.Deleted
		return store.Transition{ID: id, Status: to}, err
	}
	// Nothing to change: it is there already, or it cannot get there.
	var status int
	switch err := s.status.QueryRow(tenantID, id[:]).Scan(&status); {
	case errors.Is(err, sql.ErrNoRows):
		return store.Transition{ID: id, Err: store.ErrNotFound}, nil
	case err != nil:
		return store.Transition{}, err
	}
	t := store.Transition{ID: id, Status: store.StatusOf(status)}
	if t.Status != to {
		t.Err = store.ErrDeleted
	}
	return t, nil
}
