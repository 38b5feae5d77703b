package postgres

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/triggers-api/triggers/store"
)

// clockTolerance is how far clocks may be apart, and the newest event ahead of them, without a word.
const clockTolerance = time.Minute

// checkClocks warns of clocks that are or were wrong.
func (s *Store) checkClocks(ctx context.Context) error {
	var head int64
	var now time.Time
	if err := s.pool.QueryRow(ctx, selectNewest).Scan(&head, &now); err != nil {
		return translate(err)
	}
	s.compareClocks(now)
	var newest store.EventID
	binary.BigEndian.PutUint64(newest[:], uint64(head)) //nolint:gosec // the same bits
	if ahead := time.Until(newest.Time()); ahead > clockTolerance && s.log != nil {
		s.log.Warn("the newest event is of the future: the clock is behind, or was ahead; new events get times after it",
			"newest", newest.Time(), "ahead", ahead.String())
	}
	return nil
}

// compareClocks warns when this machine's clock and the database's have come apart.
func (s *Store) compareClocks(database time.Time) {
	ahead := time.Since(database)
	apart := ahead.Abs() > clockTolerance
	if before := s.clocksApart.Swap(apart); apart && !before && s.log != nil {
		s.log.Warn("this machine's clock and the database's differ: the times of events and retention go by this one's, "+
			"idempotency keys expire by the database's", "ahead", ahead.Round(time.Second).String())
	}
}
