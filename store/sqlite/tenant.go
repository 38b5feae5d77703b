package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/triggers-api/triggers/store"
)

const tenantColumns = `id, name, disabled, rate_limit_per_minute, retention_days,
	erase_before, erased_events, erasure_finished_at, created_at, updated_at, version`

// CreateTenant implements store.Registry.
func (d *database) CreateTenant(ctx context.Context, t store.Tenant) error {
	t.Version = 1
	return d.register(ctx, "tenant "+t.ID, func(tx *session) (error, error) {
		n, err := tx.exec(`INSERT INTO tenants (`+tenantColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, tenantRow(&t)...)
		if n == 0 {
			return store.ErrExists, err
		}
		return nil, err
	})
}

// ReplaceTenant implements store.Registry.
func (d *database) ReplaceTenant(ctx context.Context, t store.Tenant) error {
	expected := t.Version
	t.Version++
	return d.register(ctx, "tenant "+t.ID, func(tx *session) (error, error) {
		n, err := tx.exec(`UPDATE tenants SET (`+tenantColumns+`) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			WHERE id = ? AND version = ?`, append(tenantRow(&t), t.ID, expected)...)
		if err != nil || n > 0 {
			return nil, err
		}
		if found, err := tx.hasTenant(t.ID); err != nil || !found {
			return store.ErrNotFound, err
		}
		return store.ErrConflict, nil
	})
}

// Tenant implements store.Registry.
func (d *database) Tenant(ctx context.Context, id string) (store.Tenant, error) {
	return readOne(ctx, d.reader, "tenant "+id, scanTenant, `SELECT `+tenantColumns+` FROM tenants WHERE id = ?`, id)
}

// Tenants implements store.Registry.
func (d *database) Tenants(ctx context.Context, after string, limit int) ([]store.Tenant, error) {
	return readAll(ctx, d.reader, scanTenant, `SELECT `+tenantColumns+` FROM tenants WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

// register has the writer run apply, which answers what is to be refused and, apart from that, what went wrong: a refusal
// is not the group's problem.
func (d *database) register(ctx context.Context, what string, apply func(*session) (refusal, err error)) error {
	var refusal error // the writer may still set it after ctx ended, so it is read only when all went well
	err := d.writer.Do(ctx, 1, func(tx *session) (err error) {
		refusal, err = apply(tx)
		return err
	})
	if err == nil && refusal != nil {
		err = fmt.Errorf("sqlite: %s: %w", what, refusal)
	}
	return err
}

func (s *session) hasTenant(id string) (found bool, err error) {
	err = s.queryRow(`SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?)`, id).Scan(&found)
	return found, err
}

func tenantRow(t *store.Tenant) []any {
	var before, events, finished any
	if e := t.Erasure; e != nil {
		before, events, finished = e.Before.UnixMilli(), e.Events, optionalTime(e.FinishedAt)
	}
	return []any{
		t.ID, t.Name, t.Disabled, t.RateLimitPerMinute, t.RetentionDays, before, events, finished,
		t.CreatedAt.UnixMilli(), t.UpdatedAt.UnixMilli(), t.Version,
	}
}

func scanTenant(row scanner) (store.Tenant, error) {
	var (
		t                        store.Tenant
		before, events, finished sql.NullInt64
		created, updated         sql.NullInt64
	)
	err := row.Scan(&t.ID, &t.Name, &t.Disabled, &t.RateLimitPerMinute, &t.RetentionDays, &before, &events, &finished,
		&created, &updated, &t.Version)
	if before.Valid {
		t.Erasure = &store.Erasure{Before: milliTime(before), Events: events.Int64, FinishedAt: milliTime(finished)}
	}
	t.CreatedAt, t.UpdatedAt = milliTime(created), milliTime(updated)
	return t, err
}
