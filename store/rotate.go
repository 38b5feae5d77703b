package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoEnd says that a key which ends is to be replaced by one of which it was not said when that ends.
var ErrNoEnd = errors.New("when the new key ends has to be said")

// RotateKey makes a new key with the tenant, name and scopes of an old one, which stays valid for the time given. The new
// one expires at the given time, zero for never. It returns ErrNotFound when the tenant has no such key, ErrExpired when
// that is not valid any more, and ErrNoEnd when it expires, be it that it was made so or that it was rotated before, and
// the new one is to be for ever.
func RotateKey(ctx context.Context, r Registry, tenantID, id string, overlap time.Duration, expiresAt time.Time) (key string, k Key, err error) {
	old, err := findKey(ctx, r, tenantID, id)
	if err != nil {
		return "", Key{}, err
	}
	now := Now()
	switch {
	case old.Expired(now):
		return "", Key{}, fmt.Errorf("store: key %s: %w", id, ErrExpired)
	case !old.ExpiresAt.IsZero() && expiresAt.IsZero():
		return "", Key{}, fmt.Errorf("store: key %s: %w", id, ErrNoEnd)
	}
	// The new one first: if the second step fails, there are two valid keys, and not none.
	key, k = NewKey(tenantID, old.Name, old.Scopes, expiresAt)
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
