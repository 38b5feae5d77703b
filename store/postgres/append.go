package postgres

import (
	"context"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/group"
)

// Append implements store.Events.
func (s *Store) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	op := &operation{tenant: tenantID, events: events, receipts: make([]store.Receipt, len(events))}
	if err := s.writer.Do(ctx, group.Weight(events), op); err != nil {
		return nil, err
	}
	return op.receipts, nil
}
