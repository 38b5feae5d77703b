package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// Archive reads and writes what Events does not show, for moving data from one engine to another.
type Archive interface {
	// TenantsWithEvents lists the tenants after the given id that have events, in ascending order byte by byte, at most
	// limit of them. An engine may list tenants that had some once, too.
	TenantsWithEvents(ctx context.Context, after string, limit int) ([]string, error)

	// IdempotencyKeys lists a tenant's remembered idempotency keys after the given one, in ascending order byte by byte,
	// at most limit of them.
	IdempotencyKeys(ctx context.Context, tenantID, after string, limit int) ([]IdempotencyKey, error)

	// Import stores events and idempotency keys durably as they are, ids, times and statuses included, in place of those
	// that are there already. Events that are accepted later get later ids. It is not atomic: what fails can be
	// repeated.
	Import(ctx context.Context, tenantID string, events []Event, keys []IdempotencyKey) error
}

// IdempotencyKey is a remembered key.
type IdempotencyKey struct {
	Key         string
	EventID     EventID
	Fingerprint [sha256.Size]byte
	ExpiresAt   time.Time // UTC with milliseconds
}
