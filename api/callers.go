package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/triggers-api/triggers/store"
)

// caller is who a request comes from. The zero value is nobody.
type caller struct {
	tenant store.Tenant
	// keyID stands for the API key in limits, the same on every instance: the id of a key in the store, or the SHA-256 of
	// one of the configuration.
	keyID string
	key   *store.Key // nil for a key of the operator's configuration, which may be used for everything
}

func (c *caller) may(scope store.Scope) bool { return c.key == nil || c.key.Allows(scope) }

// callers knows which API key belongs to which tenant: those of the operator's configuration, and those in the store.
type callers struct {
	configured configuredKeys
	disabled   map[string]bool // by the operator's configuration
	keys       *lookups[store.Key]
	tenants    *lookups[store.Tenant]

	mu   sync.Mutex
	uses map[string]store.KeyUse // by key id, since the last NoteKeyUses
}

func newCallers(tenantByKey map[string]string, disabledTenants []string) *callers {
	c := &callers{
		configured: newConfiguredKeys(tenantByKey),
		disabled:   map[string]bool{},
		keys:       newLookups[store.Key](),
		tenants:    newLookups[store.Tenant](),
		uses:       map[string]store.KeyUse{},
	}
	for _, tenant := range disabledTenants {
		c.disabled[tenant] = true
	}
	return c
}

var errUnknownKey = unauthorized("This API key is not known.")

// find returns who presents a key. It fails with 401 when nobody does, and with the store's error when that cannot be told.
func (c *callers) find(ctx context.Context, s store.Registry, key string, now time.Time) (found caller, err error) {
	configured, ok := c.configured.find(key)
	tenantID := configured.tenantID
	if ok {
		found.keyID = configured.keyID
	} else {
		k, err := c.stored(ctx, s, key, now)
		if err != nil {
			return caller{}, err
		}
		tenantID, found.keyID, found.key = k.TenantID, k.ID, k
	}
	found.tenant, err = c.tenants.get(ctx, tenantID, func(ctx context.Context) (store.Tenant, error) {
		return s.Tenant(ctx, tenantID)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		found.tenant = store.Tenant{ID: tenantID} // it is known by the configuration alone
	case err != nil:
		return caller{}, fmt.Errorf("look up the tenant: %w", err)
	}
	found.tenant.Disabled = found.tenant.Disabled || c.disabled[tenantID]
	return found, nil
}

// stored returns a key of the store's that is valid now.
func (c *callers) stored(ctx context.Context, s store.Registry, key string, now time.Time) (*store.Key, error) {
	if !store.WellFormedKey(key) {
		return nil, errUnknownKey
	}
	hash := store.HashKey(key)
	k, err := c.keys.get(ctx, string(hash[:]), func(ctx context.Context) (store.Key, error) { return s.KeyByHash(ctx, hash) })
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errUnknownKey
	case err != nil:
		return nil, fmt.Errorf("look up the API key: %w", err)
	case k.Expired(now):
		return nil, unauthorized("This API key has expired or was revoked.")
	}
	c.used(store.KeyUse{TenantID: k.TenantID, KeyID: k.ID, At: now.UTC().Truncate(time.Millisecond)})
	return &k, nil
}

// used remembers when keys of the store were used.
func (c *callers) used(uses ...store.KeyUse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, use := range uses {
		if use.At.After(c.uses[use.KeyID].At) {
			c.uses[use.KeyID] = use
		}
	}
}

// takeUses returns what was remembered since it was last called.
func (c *callers) takeUses() []store.KeyUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := make([]store.KeyUse, 0, len(c.uses))
	for _, use := range c.uses {
		uses = append(uses, use)
	}
	clear(c.uses)
	return uses
}

// NoteKeyUses writes to the store when its API keys were last used. It is to be called every now and then, and at the end.
// What could not be written is kept for the next time.
func (a *API) NoteKeyUses(ctx context.Context) error {
	uses := a.callers.takeUses()
	if len(uses) == 0 {
		return nil
	}
	s, err := a.cfg.Store()
	if err == nil {
		err = s.TouchKeys(ctx, uses)
	}
	if err != nil {
		a.callers.used(uses...)
	}
	return err
}

// configuredKeys are the keys of the operator's configuration. They are kept and compared as salted hashes, so that the
// time a look-up takes says nothing about them.
type configuredKeys struct {
	salt   [32]byte
	byHash map[[sha256.Size]byte]configuredKey
}

type configuredKey struct{ tenantID, keyID string }

func newConfiguredKeys(tenantByKey map[string]string) configuredKeys {
	k := configuredKeys{byHash: map[[sha256.Size]byte]configuredKey{}}
	_, _ = rand.Read(k.salt[:]) // never fails (crypto/rand)
	for key, tenant := range tenantByKey {
		id := sha256.Sum256([]byte(key))
		k.byHash[k.hash(key)] = configuredKey{tenantID: tenant, keyID: hex.EncodeToString(id[:])}
	}
	return k
}

func (k *configuredKeys) hash(key string) [sha256.Size]byte {
	b := make([]byte, 0, 128)
	return sha256.Sum256(append(append(b, k.salt[:]...), key...))
}

func (k *configuredKeys) find(key string) (configuredKey, bool) {
	found, ok := k.byHash[k.hash(key)]
	return found, ok
}
