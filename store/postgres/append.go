package postgres

import (
	"context"

	"github.com/triggers-api/triggers/store"
)

// Append implements store.Events.
func (s *Store) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	op := &operation{
		ctx: ctx, tenant: tenantID, events: events, receipts: make([]store.Receipt, len(events)), weight: weight(events),
		done: make(chan error, 1),
	}
	if err := s.writer.do(op); err != nil {
		return nil, err
	}
	return op.receipts, nil
}

// weight is how much the events add to a commit: each a row, and each page of payload as much as a row.
func weight(events []store.NewEvent) int {
	const page = 4096
	n := len(events)
	for i := range events {
		n += len(events[i].Payload) / page
	}
	return n
}
