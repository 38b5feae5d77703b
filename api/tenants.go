package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// CreateTenant implements gen.StrictServerInterface.
func (a *API) CreateTenant(ctx context.Context, r gen.CreateTenantRequestObject) (gen.CreateTenantResponseObject, error) {
	now := store.Now()
	tenant := store.Tenant{ID: r.Body.ID, Name: value(r.Body.Name), CreatedAt: now, UpdatedAt: now}
	override(&tenant.RateLimitPerMinute, r.Body.RateLimitPerMinute)
	override(&tenant.RetentionDays, r.Body.RetentionDays)
	err := callOf(ctx).store.CreateTenant(ctx, tenant)
	if errors.Is(err, store.ErrExists) {
		return nil, (&problem{
			status: http.StatusConflict, code: gen.TENANTEXISTS, field: "id", message: "There is already a tenant with this id.",
		}).because(err)
	}
	if err != nil {
		return nil, err
	}
	return gen.CreateTenant201JSONResponse{Body: showTenant(&tenant)}, nil
}

// ListTenants implements gen.StrictServerInterface.
func (a *API) ListTenants(ctx context.Context, r gen.ListTenantsRequestObject) (gen.ListTenantsResponseObject, error) {
	limit := *r.Params.Limit // the contract has a default
	after, err := afterID(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	tenants, err := callOf(ctx).store.Tenants(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	tenants, next := paged(tenants, limit, func(t *store.Tenant) string { return t.ID })
	page := gen.TenantPage{Tenants: make([]gen.Tenant, len(tenants)), NextCursor: next}
	for i := range tenants {
		page.Tenants[i] = showTenant(&tenants[i])
	}
	return gen.ListTenants200JSONResponse{Body: page}, nil
}

// GetTenant implements gen.StrictServerInterface.
func (a *API) GetTenant(ctx context.Context, r gen.GetTenantRequestObject) (gen.GetTenantResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	tenant, err := s.Tenant(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	return gen.GetTenant200JSONResponse{Body: showTenant(&tenant)}, nil
}

// UpdateTenant implements gen.StrictServerInterface.
func (a *API) UpdateTenant(ctx context.Context, r gen.UpdateTenantRequestObject) (gen.UpdateTenantResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	tenant, err := store.ChangeTenant(ctx, s, r.TenantID, func(t *store.Tenant) error {
		if r.Body.Name != nil {
			t.Name = *r.Body.Name
		}
		if r.Body.Disabled != nil {
			t.Disabled = *r.Body.Disabled
		}
		override(&t.RateLimitPerMinute, r.Body.RateLimitPerMinute)
		override(&t.RetentionDays, r.Body.RetentionDays)
		return nil
	})
	if err != nil {
		return nil, tenantNotFound(err)
	}
	return gen.UpdateTenant200JSONResponse{Body: showTenant(&tenant)}, nil
}

// EraseTenantData implements gen.StrictServerInterface.
func (a *API) EraseTenantData(ctx context.Context, r gen.EraseTenantDataRequestObject) (gen.EraseTenantDataResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	before, err := s.Mark(ctx)
	if err != nil {
		return nil, err
	}
	tenant, err := store.BeginErasure(ctx, s, r.TenantID, before)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	a.cfg.EraseSoon()
	return gen.EraseTenantData202JSONResponse{Body: showErasure(tenant.Erasure)}, nil
}
