package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Registry keeps tenants and their API keys. Lists are in ascending order of ids, byte by byte.
type Registry interface {
	// CreateTenant adds a tenant. It returns ErrExists when there is one with this id. Version is set to 1.
	CreateTenant(ctx context.Context, t Tenant) error

	// Tenant returns ErrNotFound when there is no such tenant.
	Tenant(ctx context.Context, id string) (Tenant, error)

	// ReplaceTenant stores a changed tenant under the next version. It returns ErrConflict when the stored version is not
	// the one given any more, and ErrNotFound when there is no such tenant. ChangeTenant is the easy way to call it.
	ReplaceTenant(ctx context.Context, t Tenant) error

	// Tenants lists tenants after the given id, at most limit of them.
	Tenants(ctx context.Context, after string, limit int) ([]Tenant, error)

	// CreateKey adds an API key. It returns ErrNotFound when its tenant does not exist, and ErrExists when a key has
	// this id or this hash.
	CreateKey(ctx context.Context, k Key) error

	// KeyByHash returns the key with this hash, also when it has expired, or ErrNotFound.
	KeyByHash(ctx context.Context, hash KeyHash) (Key, error)

	// Keys lists a tenant's keys after the given id, expired ones included, at most limit of them.
	Keys(ctx context.Context, tenantID, after string, limit int) ([]Key, error)

	// ExpireKey has a key expire at the given time, unless it does so earlier, and returns it. It returns ErrNotFound when
	// the tenant has no such key.
	ExpireKey(ctx context.Context, tenantID, id string, at time.Time) (Key, error)

	// TouchKeys notes when keys were last used. An earlier time than the one noted changes nothing, and neither does a key
	// that is gone.
	TouchKeys(ctx context.Context, uses []KeyUse) error
}

// Tenant is one customer of the server: whoever events belong to. Times are UTC with milliseconds.
type Tenant struct {
	// ID is 1 to 128 characters of visible ASCII without "/" and not only dots, see CheckTenantID.
	ID string
	// Name is for people.
	Name string
	// Disabled tenants are refused.
	Disabled bool
	// RateLimitPerMinute is how many requests each of its keys may make in a minute; nil for the server's setting, 0 for
	// no limit.
	RateLimitPerMinute *int
	// RetentionDays is how long its events are kept; nil for the server's setting, 0 for ever.
	RetentionDays *int
	// Erasure is the last time that everything of the tenant was erased, or is being erased; nil if never.
	Erasure *Erasure

	CreatedAt, UpdatedAt time.Time
	// Version counts changes.
	Version int64
}

// Erasure is the removal of everything a tenant had up to a moment.
type Erasure struct {
	// Before is the moment: what was created earlier goes.
	Before time.Time
	// Events is how many events have been removed so far.
	Events int64
	// FinishedAt is zero while it goes on.
	FinishedAt time.Time
}

// KeyUse says when a key was last used.
type KeyUse struct {
	TenantID, KeyID string
	At              time.Time
}

// maxTenantID is the length of a tenant's id in bytes.
const maxTenantID = 128

// ErrMalformedTenantID says that a text cannot be the id of a tenant.
var ErrMalformedTenantID = fmt.Errorf(`must be 1 to %d characters of visible ASCII without "/", not only dots`, maxTenantID)

// CheckTenantID returns ErrMalformedTenantID unless the text can be the id of a tenant.
func CheckTenantID(id string) error {
	// Clients and proxies take "." and ".." out of paths.
	if strings.Trim(id, ".") == "" || len(id) > maxTenantID {
		return ErrMalformedTenantID
	}
	for _, b := range []byte(id) {
		if b <= ' ' || b > '~' || b == '/' {
			return ErrMalformedTenantID
		}
	}
	return nil
}

// changeAttempts is how many times ChangeTenant tries when others change the same tenant.
const changeAttempts = 20

// ChangeTenant reads a tenant, lets change work on it, and stores it, again from the start when somebody else was quicker.
// An error of change's is returned as it is, and nothing is stored.
func ChangeTenant(ctx context.Context, r Registry, id string, change func(*Tenant) error) (Tenant, error) {
	for range changeAttempts {
		t, err := r.Tenant(ctx, id)
		if err != nil {
			return Tenant{}, err
		}
		if err := change(&t); err != nil {
			return Tenant{}, err
		}
		t.UpdatedAt = Now()
		err = r.ReplaceTenant(ctx, t)
		if err == nil {
			t.Version++
			return t, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Tenant{}, err
		}
	}
	return Tenant{}, fmt.Errorf("store: tenant %s is being changed by too many at once: %w", id, ErrUnavailable)
}

// Now is the time as the store keeps it: UTC with milliseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
