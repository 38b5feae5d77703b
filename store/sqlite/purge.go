package sqlite

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// stepRows and stepBytes bound one step of what is not urgent: what is erased is overwritten, so large payloads cost
	// writing.
	stepRows  = 500
	stepBytes = 4 << 20
)

// Purge implements store.Eraser.
func (s *Store) Purge(ctx context.Context, tenantID string, createdBefore time.Time) (removed int, more bool, err error) {
	// The writer may still set them after ctx ended, so they are read only when all went well.
	var n int
	var rest bool
	err = s.writer.Do(ctx, stepRows, func(tx *session) (err error) {
		n, rest, err = tx.purge(tenantID, store.FirstEventID(createdBefore))
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return n, rest, nil
}

// purge removes some of a tenant's events before the bound.
func (s *session) purge(tenantID string, bound store.EventID) (removed int, more bool, err error) {
	rows, err := s.conn.QueryContext(context.Background(), `SELECT seq, coalesce(length(payload), 0) FROM events
		WHERE tenant = ? AND status IN (0, 1, 2) AND id < ? LIMIT ?`, tenantID, bound[:], stepRows+1)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var seqs []int64
	size := 0
	for rows.Next() {
		var seq int64
		var length int
		if err := rows.Scan(&seq, &length); err != nil {
			return 0, false, err
		}
		if len(seqs) == stepRows || (len(seqs) > 0 && size+length > stepBytes) {
			more = true
			break
		}
		seqs, size = append(seqs, seq), size+length
	}
	if err := rows.Err(); err != nil || len(seqs) == 0 {
		return 0, false, err
	}
	if err := rows.Close(); err != nil {
		return 0, false, err
	}
	s.erased = true
	if _, err = s.repeat(`DELETE FROM events WHERE seq = ?`, each(seqs)); err != nil {
		return 0, false, err
	}
	// The last row may be gone, which told what the next id has to follow.
	return len(seqs), more, s.keepNewest(s.ids.Next())
}

// Mark implements store.Eraser.
func (s *Store) Mark(ctx context.Context) (time.Time, error) {
	var mark time.Time // as above
	err := s.writer.Do(ctx, 1, func(tx *session) error {
		mark = tx.ids.Next().Time().Add(time.Millisecond)
		return tx.keepNewest(store.FirstEventID(mark))
	})
	if err != nil {
		return time.Time{}, err
	}
	return mark, nil
}

// forgetScan is how many idempotency keys one call of Forget looks for. Looking passes over the tenant's keys that stay,
// so it is done for several steps at once.
const forgetScan = 20 * stepRows

// Forget implements store.Eraser. No index leads to the keys by the age of their events, as it would cost each append:
// a reader looks for them, which holds up no writer, and the writer removes them in steps.
func (s *Store) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error) {
	bound := store.FirstEventID(createdBefore)
	seqs, err := readAll(ctx, s.reader, scanSeq, `SELECT seq FROM idempotency_keys WHERE tenant = ? AND event_id < ? LIMIT ?`,
		tenantID, bound[:], forgetScan)
	if err != nil {
		return false, err
	}
	for step := range slices.Chunk(seqs, stepRows) {
		err := s.writer.Do(ctx, len(step), func(tx *session) error {
			// Asked again, because a key may have been used anew meanwhile and its row's number with it.
			_, err := tx.repeat(`DELETE FROM idempotency_keys WHERE seq = ? AND tenant = ? AND event_id < ?`,
				each(step, tenantID, bound[:]))
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return len(seqs) == forgetScan, nil
}

// Expire implements store.Eraser.
func (s *Store) Expire(ctx context.Context) (more bool, err error) {
	var most int64
	err = s.writer.Do(ctx, stepRows, func(tx *session) error {
		now := time.Now()
		keys, err := tx.exec(`DELETE FROM idempotency_keys
			WHERE seq IN (SELECT seq FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
			now.UnixMilli(), stepRows)
		if err != nil {
			return err
		}
		apiKeys, err := tx.exec(`DELETE FROM api_keys
			WHERE id IN (SELECT id FROM api_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
			now.Add(-store.KeyGrace).UnixMilli(), stepRows)
		most = max(keys, apiKeys)
		return err
	})
	if err != nil {
		return false, err
	}
	return most == stepRows, nil
}

func scanSeq(row scanner) (seq int64, err error) {
	err = row.Scan(&seq)
	return seq, err
}

// each makes rows of arguments: one of the values, then what is the same for all.
func each[T any](values []T, same ...any) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for _, v := range values {
			if !yield(append([]any{v}, same...)) {
				return
			}
		}
	}
}
