package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// storeFor returns the store for what has the given ids, of tenants and keys. For an id that cannot be one it returns
// ErrNotFound, because engines differ in what they make of such a text.
func storeFor(ctx context.Context, ids ...string) (store.Store, error) {
	for _, id := range ids {
		if err := store.CheckTenantID(id); err != nil {
			return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
		}
	}
	return callOf(ctx).store, nil
}

// afterID reads the cursor of a list of tenants or keys: the last id of the page before.
func afterID(cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	if err := store.CheckTenantID(*cursor); err != nil {
		return "", fmt.Errorf("%w: %w", store.ErrMalformedCursor, err)
	}
	return *cursor, nil
}

func tenantNotFound(err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return (&problem{
		status: http.StatusNotFound, code: gen.TENANTNOTFOUND, message: "There is no tenant with this id.",
	}).because(err)
}

func keyNotFound(err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return (&problem{
		status: http.StatusNotFound, code: gen.KEYNOTFOUND, message: "The tenant has no API key with this id.",
	}).because(err)
}

func showTenant(t *store.Tenant) gen.Tenant {
	shown := gen.Tenant{
		ID: t.ID, Name: t.Name, Disabled: t.Disabled,
		RateLimitPerMinute: orNull(t.RateLimitPerMinute), RetentionDays: orNull(t.RetentionDays),
		CreatedAt: gen.MilliTime{Time: t.CreatedAt}, UpdatedAt: gen.MilliTime{Time: t.UpdatedAt},
	}
	if t.Erasure != nil {
		shown.Erasure = new(showErasure(t.Erasure))
	}
	return shown
}

func showErasure(e *store.Erasure) gen.Erasure {
	shown := gen.Erasure{
		Status: gen.Running, Before: gen.MilliTime{Time: e.Before}, ErasedEvents: e.Events,
	}
	if !e.FinishedAt.IsZero() {
		shown.Status, shown.FinishedAt = gen.Finished, &gen.MilliTime{Time: e.FinishedAt}
	}
	return shown
}

func showKey(k *store.Key) gen.Key {
	shown := gen.Key{
		ID: k.ID, TenantID: k.TenantID, Name: k.Name, Hint: k.Hint, Scopes: make([]gen.Scope, len(k.Scopes)),
		Status: gen.Active, CreatedAt: gen.MilliTime{Time: k.CreatedAt},
		ExpiresAt: timeOrNull(k.ExpiresAt), LastUsedAt: timeOrNull(k.LastUsedAt),
	}
	for i, scope := range k.Scopes {
		shown.Scopes[i] = gen.Scope(scope)
	}
	if k.Expired(time.Now()) {
		shown.Status = gen.Expired
	}
	return shown
}

func orNull(n *int) nullable.Nullable[int] {
	if n == nil {
		return nullable.NewNullNullable[int]()
	}
	return nullable.NewNullableWithValue(*n)
}

func timeOrNull(t time.Time) nullable.Nullable[gen.MilliTime] {
	if t.IsZero() {
		return nullable.NewNullNullable[gen.MilliTime]()
	}
	return nullable.NewNullableWithValue(gen.MilliTime{Time: t})
}

// override takes a setting over from a request: nothing when it is not there, the server's own when it is null.
func override(target **int, n nullable.Nullable[int]) {
	switch value, err := n.Get(); {
	case err == nil:
		*target = &value
	case n.IsNull():
		*target = nil
	}
}

// paged cuts a list that was asked for one element too many to a page, and returns the cursor of the next one.
func paged[T any](list []T, limit int, id func(*T) string) ([]T, nullable.Nullable[string]) {
	if len(list) <= limit {
		return list, nullable.NewNullNullable[string]()
	}
	return list[:limit], nullable.NewNullableWithValue(id(&list[limit-1]))
}
