package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// CreateKey implements gen.StrictServerInterface.
func (a *API) CreateKey(ctx context.Context, r gen.CreateKeyRequestObject) (gen.CreateKeyResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	var expires time.Time
	if at, err := r.Body.ExpiresAt.Get(); err == nil {
		if !at.After(time.Now()) {
			return nil, invalid("expiresAt", `"expiresAt" must be in the future`)
		}
		expires = at.Time
	}
	scopes := store.Scopes()
	if r.Body.Scopes != nil {
		scopes = make([]store.Scope, len(*r.Body.Scopes))
		for i, scope := range *r.Body.Scopes {
			scopes[i] = store.Scope(scope)
		}
	}
	secret, key := store.NewKey(r.TenantID, r.Body.Name, scopes, expires)
	if err := s.CreateKey(ctx, key); err != nil {
		return nil, tenantNotFound(err)
	}
	return gen.CreateKey201JSONResponse{Body: gen.KeyWithSecret{Key: secret, Details: showKey(&key)}}, nil
}

// ListKeys implements gen.StrictServerInterface.
func (a *API) ListKeys(ctx context.Context, r gen.ListKeysRequestObject) (gen.ListKeysResponseObject, error) {
	limit := *r.Params.Limit // the contract has a default
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	after, err := afterID(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	if _, err := s.Tenant(ctx, r.TenantID); err != nil {
		return nil, tenantNotFound(err)
	}
	keys, err := s.Keys(ctx, r.TenantID, after, limit+1)
	if err != nil {
		return nil, err
	}
	keys, next := paged(keys, limit, func(k *store.Key) string { return k.ID })
	page := gen.KeyPage{Keys: make([]gen.Key, len(keys)), NextCursor: next}
	for i := range keys {
		page.Keys[i] = showKey(&keys[i])
	}
	return gen.ListKeys200JSONResponse{Body: page}, nil
}

// RevokeKey implements gen.StrictServerInterface.
func (a *API) RevokeKey(ctx context.Context, r gen.RevokeKeyRequestObject) (gen.RevokeKeyResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID, r.KeyID)
	if err != nil {
		return nil, keyNotFound(err)
	}
	key, err := s.ExpireKey(ctx, r.TenantID, r.KeyID, store.Now())
	if err != nil {
		return nil, keyNotFound(err)
	}
	return gen.RevokeKey200JSONResponse{Body: showKey(&key)}, nil
}

// RotateKey implements gen.StrictServerInterface.
func (a *API) RotateKey(ctx context.Context, r gen.RotateKeyRequestObject) (gen.RotateKeyResponseObject, error) {
	overlap := time.Duration(*r.Params.OverlapSeconds) * time.Second // the contract has a default
	s, err := storeFor(ctx, r.TenantID, r.KeyID)
	if err != nil {
		return nil, keyNotFound(err)
	}
	var expires time.Time
	if at := r.Params.ExpiresAt; at != nil {
		if expires = *at; !expires.After(time.Now()) {
			return nil, invalid("expiresAt", `query parameter "expiresAt": must be in the future`)
		}
	}
	secret, key, err := store.RotateKey(ctx, s, r.TenantID, r.KeyID, overlap, expires)
	switch {
	case errors.Is(err, store.ErrNoEnd):
		return nil, (&problem{
			status: http.StatusConflict, code: gen.EXPIRYREQUIRED, field: "expiresAt",
			message: "This API key expires (it was made so, or was rotated before). Say with expiresAt when the new one does.",
		}).because(err)
	case errors.Is(err, store.ErrExpired):
		return nil, (&problem{
			status: http.StatusConflict, code: gen.KEYEXPIRED, message: "This API key has expired. Make a new one.",
		}).because(err)
	case err != nil:
		return nil, keyNotFound(err)
	}
	return gen.RotateKey201JSONResponse{Body: gen.KeyWithSecret{Key: secret, Details: showKey(&key)}}, nil
}
