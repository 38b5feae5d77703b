package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/triggers-api/triggers/store"
)

const tenantColumns = `id, name, disabled, rate_limit_per_minute, retention_days,
	erasure_before, erasure_events, erasure_finished_at, created_at, updated_at, version`

// CreateTenant implements store.Registry.
func (s *Store) CreateTenant(ctx context.Context, t store.Tenant) error {
	t.Version = 1
	return s.once(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `INSERT INTO tenants (`+tenantColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, tenantValues(t)...)
		return err
	})
}

// Tenant implements store.Registry.
func (s *Store) Tenant(ctx context.Context, id string) (t store.Tenant, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		t, err = scanTenant(s.pool.QueryRow(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id = $1`, id))
		return err
	})
	return t, err
}

// ReplaceTenant implements store.Registry.
func (s *Store) ReplaceTenant(ctx context.Context, t store.Tenant) error {
	return s.once(ctx, func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, `UPDATE tenants SET name = $2, disabled = $3, rate_limit_per_minute = $4,
				retention_days = $5, erasure_before = $6, erasure_events = $7, erasure_finished_at = $8, created_at = $9,
				updated_at = $10, version = version + 1
			WHERE id = $1 AND version = $11`, tenantValues(t)...)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		var exists bool
		if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tenants WHERE id = $1)`, t.ID).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			return pgx.ErrNoRows
		}
		return fmt.Errorf("tenant %s: %w", t.ID, store.ErrConflict)
	})
}

// Tenants implements store.Registry.
func (s *Store) Tenants(ctx context.Context, after string, limit int) (tenants []store.Tenant, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Tenant, error) { return scanTenant(row) })
		return err
	})
	return tenants, err
}

func tenantValues(t store.Tenant) []any {
	var erasure store.Erasure
	if t.Erasure != nil {
		erasure = *t.Erasure
	}
	return []any{
		t.ID, t.Name, t.Disabled, t.RateLimitPerMinute, t.RetentionDays, timestamp(erasure.Before), erasure.Events,
		timestamp(erasure.FinishedAt), t.CreatedAt.Truncate(time.Millisecond), t.UpdatedAt.Truncate(time.Millisecond), t.Version,
	}
}

func scanTenant(row pgx.Row) (t store.Tenant, err error) {
	var erasure store.Erasure
	err = row.Scan(&t.ID, &t.Name, &t.Disabled, &t.RateLimitPerMinute, &t.RetentionDays,
		(*zeronull.Timestamptz)(&erasure.Before), &erasure.Events, (*zeronull.Timestamptz)(&erasure.FinishedAt),
		&t.CreatedAt, &t.UpdatedAt, &t.Version)
	if err != nil {
		return store.Tenant{}, err
	}
	t.CreatedAt, t.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
	if !erasure.Before.IsZero() {
		erasure.Before, erasure.FinishedAt = inUTC(erasure.Before), inUTC(erasure.FinishedAt)
		t.Erasure = &erasure
	}
	return t, nil
}

// timestamp is a time as its column holds it: in milliseconds, and NULL for zero.
func timestamp(t time.Time) zeronull.Timestamptz {
	return zeronull.Timestamptz(t.Truncate(time.Millisecond))
}
