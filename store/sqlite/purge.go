package sqlite

import (
	"context"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// purgeRows and purgeBytes bound one step: what is erased is overwritten, so large payloads cost writing.
	purgeRows  = 500
	purgeBytes = 4 << 20
)

// Purge implements store.Purger.
func (s *Store) Purge(ctx context.Context, createdBefore time.Time) (bool, error) {
	var more bool // the writer may still set it after ctx ended, so it is read only when all went well
	err := s.writer.do(ctx, purgeRows, func(tx *session) error {
		keys, err := tx.purgeKeys.Exec(time.Now().UnixMilli(), purgeRows)
		if err != nil {
			return err
		}
		n, err := keys.RowsAffected()
		if err != nil {
			return err
		}
		more = n == purgeRows
		if createdBefore.IsZero() {
			return nil
		}
		moreEvents, err := tx.purge(store.FirstEventID(createdBefore))
		more = more || moreEvents
		return err
	})
	if err != nil {
		return false, err
	}
	return more, nil
}

// purge removes the oldest events up to the bound. Events are stored in the order of their ids, so that the oldest are
// the first rows.
func (s *session) purge(bound store.EventID) (more bool, err error) {
	rows, err := s.oldestEvents.Query(purgeRows)
	if err != nil {
		return false, err
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var last int64
	n, size := 0, 0
	for rows.Next() {
		var seq int64
		var id []byte
		var length int
		if err := rows.Scan(&seq, &id, &length); err != nil {
			return false, err
		}
		if store.EventID(id).Compare(bound) >= 0 || (n > 0 && size+length > purgeBytes) {
			more = store.EventID(id).Compare(bound) < 0
			break
		}
		last, n, size = seq, n+1, size+length
	}
	if err := rows.Err(); err != nil || n == 0 {
		return false, err
	}
	if err := rows.Close(); err != nil {
		return false, err
	}
	_, err = s.purgeEvents.Exec(last)
	s.erased = true
	return more || n == purgeRows, err
}
