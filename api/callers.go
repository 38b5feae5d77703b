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
	// keyID stands for the API key in limits. It is the same on every instance, and does not lead back to the key.
	keyID string
	key   *store.Key // nil for a key of the operator's configuration, which may be used for everything
}

func (c *caller) may(scope store.Scope) bool { return c.key == nil || c.key.Allows(scope) }

// maxCached bounds how many keys and how many tenants are remembered between look-ups.
const maxCached = 50_000

// callers knows which API key belongs to which tenant: those of the operator's configuration, and those in the store.
type callers struct {
	configured configuredKeys
	disabled   map[string]bool // by the operator's configuration
	keys       *lookups[store.KeyHash, store.Key]
	tenants    *lookups[string, store.Tenant]

	mu   sync.Mutex
	uses map[string]store.KeyUse // by key id, since the last NoteKeyUses
}

func newCallers(tenantByKey map[string]string, disabledTenants []string) *callers {
	c := &callers{
		configured: newConfiguredKeys(tenantByKey),
		disabled:   map[string]bool{},
		keys:       newLookups[store.KeyHash, store.Key](maxCached),
		tenants:    newLookups[string, store.Tenant](maxCached),
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
	tenantID, keyID := "", ""
	if configured, ok := c.configured.find(key); ok {
		tenantID, keyID = configured.tenantID, configured.keyID
	} else {
		if !store.WellFormedKey(key) {
			return caller{}, errUnknownKey
		}
		k, err := c.keys.get(ctx, store.HashKey(key), s.KeyByHash)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return caller{}, errUnknownKey
		case err != nil:
			return caller{}, fmt.Errorf("look up the API key: %w", err)
		case k.Expired(now):
			return caller{}, unauthorized("This API key has expired or was revoked.")
		}
		c.used(&k, now)
		tenantID, keyID, found.key = k.TenantID, k.ID, &k
	}
	found.keyID = keyID
	found.tenant, err = c.tenants.get(ctx, tenantID, s.Tenant)
	switch {
	case errors.Is(err, store.ErrNotFound):
		found.tenant = store.Tenant{ID: tenantID} // it is known by the configuration alone
	case err != nil:
		return caller{}, fmt.Errorf("look up the tenant: %w", err)
	}
	found.tenant.Disabled = found.tenant.Disabled || c.disabled[tenantID]
	return found, nil
}

// used remembers when a key of the store was used.
func (c *callers) used(k *store.Key, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses[k.ID] = store.KeyUse{TenantID: k.TenantID, KeyID: k.ID, At: now.UTC().Truncate(time.Millisecond)}
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
// What could not be written is lost.
func (a *API) NoteKeyUses(ctx context.Context) error {
	uses := a.callers.takeUses()
	if len(uses) == 0 {
		return nil
	}
	s, err := a.cfg.Store()
	if err != nil {
		return err
	}
	return s.TouchKeys(ctx, uses)
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
