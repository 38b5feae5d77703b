package store

import (
	"context"
	"time"
)

// Store is everything an engine does. All methods are safe for concurrent use, honour the context's deadline, and
// return ErrUnavailable when the engine cannot serve them.
type Store interface {
	Events
	Purger

	// Check returns nil when the store can be read and written right now. It writes to find out.
	Check(ctx context.Context) error

	// Close waits until what was begun is stored and releases everything. Calls made later return ErrClosed.
	Close() error
}

// Events keeps the tenants' events. No method ever shows or changes another tenant's event: for the caller it does not
// exist.
type Events interface {
	// Append stores the events durably, all or none, and answers one receipt for each, in order. When it returns without
	// an error they survive a crash. Events of one call with the same idempotency key count in their order. Ids are
	// assigned in commit order: whoever reads in id order never has an event appear behind them.
	Append(ctx context.Context, tenantID string, events []NewEvent) ([]Receipt, error)

	// Event returns one event, whatever its status. It returns ErrNotFound when the tenant has no such event.
	Event(ctx context.Context, tenantID string, id EventID) (Event, error)

	// List returns one page of a tenant's events in ascending id order.
	List(ctx context.Context, params ListParams) (Page, error)

	// Acknowledge takes events out of the inbox and answers one transition for each id, in order.
	// Acknowledging again changes nothing and is no error; a deleted event answers ErrDeleted.
	Acknowledge(ctx context.Context, tenantID string, ids []EventID) ([]Transition, error)

	// Delete leaves tombstones (id, times, status, names) and erases payloads for good, and answers one transition for each
	// id, in order. The event no longer shows its idempotency key, which is still remembered for its
	// time. Deleting again changes nothing and is no error.
	Delete(ctx context.Context, tenantID string, ids []EventID) ([]Transition, error)
}

// ListParams says which events to list. TenantID, Status and Limit are required; every other zero value means no
// restriction. Since is inclusive, Until is exclusive, both against the creation time. After leaves out everything up
// to and including its event. MaxBytes ends a page early once its payloads exceed it; a page has at least one event if
// there is one.
type ListParams struct {
	TenantID            string
	Status              Status
	Source, Type, Topic string
	Since, Until        time.Time
	After               Cursor
	Limit               int
	MaxBytes            int
}

// Page is a part of a list. More says that further events follow the last one.
type Page struct {
	Events []Event
	More   bool
}

// Purger removes what has outlived its use.
type Purger interface {
	// Purge removes, in one small step that does not hold up other writers for long, events created before the given
	// time, whatever their status, and idempotency keys that are no longer remembered. A zero time keeps all events. It
	// answers whether there is more to remove.
	Purge(ctx context.Context, createdBefore time.Time) (more bool, err error)
}
