package dynamodb

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
)

// The attributes of a tenant beside its id.
const (
	nameAttribute       = "name"
	disabledAttribute   = "disabled"
	rateLimitAttribute  = "rateLimitPerMinute"
	retentionAttribute  = "retentionDays"
	erasureAttribute    = "erasureBefore" // absent if nothing was ever erased
	erasedAttribute     = "erasureEvents"
	erasureEndAttribute = "erasureFinishedAt"
	createdAttribute    = "createdAt"
	updatedAttribute    = "updatedAt"
	versionAttribute    = "version"
)

func tenantItem(t *store.Tenant) item {
	it := key(tenantsPartition, t.ID)
	setText(it, nameAttribute, t.Name)
	it[disabledAttribute] = boolean(t.Disabled)
	if t.RateLimitPerMinute != nil {
		it[rateLimitAttribute] = number(int64(*t.RateLimitPerMinute))
	}
	if t.RetentionDays != nil {
		it[retentionAttribute] = number(int64(*t.RetentionDays))
	}
	if e := t.Erasure; e != nil {
		it[erasureAttribute] = millis(e.Before)
		it[erasedAttribute] = number(e.Events)
		setTime(it, erasureEndAttribute, e.FinishedAt)
	}
	it[createdAttribute] = millis(t.CreatedAt)
	it[updatedAttribute] = millis(t.UpdatedAt)
	it[versionAttribute] = number(t.Version)
	return it
}

func tenantOf(it item) store.Tenant {
	t := store.Tenant{
		ID: textOf(it, sortKey), Name: textOf(it, nameAttribute), Disabled: booleanOf(it, disabledAttribute),
		RateLimitPerMinute: optionalInt(it, rateLimitAttribute), RetentionDays: optionalInt(it, retentionAttribute),
		CreatedAt: timeOf(it, createdAttribute), UpdatedAt: timeOf(it, updatedAttribute), Version: numberOf(it, versionAttribute),
	}
	if _, ok := it[erasureAttribute]; ok {
		t.Erasure = &store.Erasure{
			Before: timeOf(it, erasureAttribute), Events: numberOf(it, erasedAttribute), FinishedAt: timeOf(it, erasureEndAttribute),
		}
	}
	return t
}

func optionalInt(it item, name string) *int {
	n, ok := optionalNumber(it, name)
	if !ok {
		return nil
	}
	v := int(n)
	return &v
}

// CreateTenant implements store.Registry.
func (s *Store) CreateTenant(ctx context.Context, t store.Tenant) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	t.Version = 1
	refused, err := s.change(ctx, types.TransactWriteItem{Put: &types.Put{
		TableName: s.ref(), Item: tenantItem(&t), ConditionExpression: aws.String(ifAbsent),
	}})
	if refused != nil {
		return fmt.Errorf("dynamodb: tenant %s: %w", t.ID, store.ErrExists)
	}
	return err
}

// Tenant implements store.Registry.
func (s *Store) Tenant(ctx context.Context, id string) (store.Tenant, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Tenant{}, err
	}
	defer end()
	it, err := s.get(ctx, tenantsPartition, id)
	if err != nil {
		return store.Tenant{}, err
	}
	if it == nil {
		return store.Tenant{}, fmt.Errorf("dynamodb: tenant %s: %w", id, store.ErrNotFound)
	}
	return tenantOf(it), nil
}

// ReplaceTenant implements store.Registry.
func (s *Store) ReplaceTenant(ctx context.Context, t store.Tenant) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	expected := t.Version
	t.Version++
	refused, err := s.change(ctx, types.TransactWriteItem{Put: &types.Put{
		TableName: s.ref(), Item: tenantItem(&t),
		ConditionExpression:                 aws.String("#version = :version"),
		ExpressionAttributeNames:            names(versionAttribute),
		ExpressionAttributeValues:           item{":version": number(expected)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}})
	switch {
	case refused == nil:
		return err
	case len(refused[0].Item) == 0:
		return fmt.Errorf("dynamodb: tenant %s: %w", t.ID, store.ErrNotFound)
	default:
		return fmt.Errorf("dynamodb: tenant %s: %w", t.ID, store.ErrConflict)
	}
}

// Tenants implements store.Registry.
func (s *Store) Tenants(ctx context.Context, after string, limit int) ([]store.Tenant, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	items, err := s.after(ctx, tenantsPartition, after, limit)
	if err != nil {
		return nil, err
	}
	tenants := make([]store.Tenant, len(items))
	for i := range items {
		tenants[i] = tenantOf(items[i])
	}
	return tenants, nil
}
