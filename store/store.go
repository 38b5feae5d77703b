package store

import (
	"context"
	"time"
)

// Store is everything an engine does. All methods are safe for concurrent use, honour the context's deadline, and
// return ErrUnavailable when the engine cannot serve them.
type Store interface {
	Events
	Registry
	Eraser
	Archive

	// Traits says what this engine promises where engines differ.
	Traits() Traits

	// Check returns nil when the store can be read and written right now, and ErrSchema when it is not of this program's
	// schema version any more. It writes to find out.
	Check(ctx context.Context) error

	// Close waits until what was begun is stored and releases everything. Calls made later return ErrClosed.
	Close() error
}

// Traits are what engines cannot all promise. The zero value is the weakest. The suite in storetest asks for what is
// declared here and for nothing less.
type Traits struct {
	// CommitOrder says that ids are assigned in commit order, whichever instance accepts: whoever reads in id order never
	// has an event appear behind them.
	CommitOrder bool
	// FreshLists says that a list shows every change that was answered before it was asked for. Without it changes
	// appear within moments, and a list still never shows an event in a status that it no longer has.
	FreshLists bool
	// AtomicAppend is how many events one Append stores all or none, each with an idempotency key, as long as their
	// payloads have together no more than 2 MiB; 0 is any number of any size. A longer Append is stored in pieces of at
	// least that many: one that fails may then have stored some of its events.
	AtomicAppend int
}

// Events keeps the tenants' events. No method ever shows or changes another tenant's event: for the caller it does not
// exist.
type Events interface {
	// Append stores the events durably, all or none (see Traits), and answers one receipt for each, in order. When it
	// returns without an error they survive a crash. Events of one call with the same idempotency key count in their
	// order.
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

// Eraser removes what has outlived its use. Each call is one small step that does not hold up other writers for long;
// more says that the same call would find more to remove.
type Eraser interface {
	// Mark returns a moment that divides events, of all tenants: what was accepted before the call was created before it, and
	// what is accepted later is not. Without Traits.CommitOrder that holds as far as the clocks of the instances agree, and
	// what is being stored meanwhile may be on either side.
	Mark(ctx context.Context) (time.Time, error)

	// Purge removes events of a tenant that were created before the given time, whatever their status, and answers how
	// many.
	Purge(ctx context.Context, tenantID string, createdBefore time.Time) (removed int, more bool, err error)

	// Forget removes the idempotency keys of a tenant whose events were created before the given time, whether they are
	// still remembered or not.
	Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error)

	// Expire removes idempotency keys that are no longer remembered, and API keys that expired more than KeyGrace ago, of
	// all tenants. It does nothing where the engine does that by itself.
	Expire(ctx context.Context) (more bool, err error)
}
