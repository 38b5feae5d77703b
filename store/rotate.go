package store

import (
	"context"
	"fmt"
	"time"
)

// RotateKey makes a new key with the tenant, name and scopes of an old one, which stays valid for the time given. If the
// old one was made to expire, the new one lives as long from now. It returns ErrNotFound when the tenant has no such key,
// and ErrExpired when that is not valid any more.
func RotateKey(ctx context.Context, r Registry, tenantID, id string, overlap time.Duration) (key string, k Key, err error) {
	old, err := findKey(ctx, r, tenantID, id)
	if err != nil {
		return "", Key{}, err
	}
	now := Now()
	if old.Expired(now) {
		return "", Key{}, fmt.Errorf("store: key %s: %w", id, ErrExpired)
	}
	var expires time.Time
	if !old.ExpiresAt.IsZero() {
		expires = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
	}
	// The new one first: if the second step fails, there are two valid keys, and not none.
	key, k = NewKey(tenantID, old.Name, old.Scopes, expires)
	if err := r.CreateKey(ctx, k); err != nil {
		return "", Key{}, err
	}
	if _, err := r.ExpireKey(ctx, tenantID, id, now.Add(overlap)); err != nil {
		return "", Key{}, err
	}
	return key, k, nil
}

func findKey(ctx context.Context, r Registry, tenantID, id string) (Key, error) {
	const page = 500
	for after := ""; ; {
		keys, err := r.Keys(ctx, tenantID, after, page)
		if err != nil {
			return Key{}, err
		}
		for _, k := range keys {
			if k.ID == id {
				return k, nil
			}
		}
		if len(keys) < page {
			return Key{}, fmt.Errorf("store: key %s: %w", id, ErrNotFound)
		}
		after = keys[len(keys)-1].ID
	}
}
