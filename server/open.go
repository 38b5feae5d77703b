package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/triggers-api/triggers/store"
)

// openStore opens the store that is configured, and adds the tenants of the configuration to those in the store.
func openStore(ctx context.Context, cfg *config, keep func(tenantID string) time.Duration, log *slog.Logger) (store.Store, error) {
	s, err := cfg.storage.engine.open(ctx, engineOptions{
		idempotencyTTL: cfg.storage.idempotencyTTL(), autoMigrate: cfg.storage.autoMigrate, retention: keep, log: log,
	})
	if err != nil {
		return nil, err
	}
	for _, tenant := range slices.Compact(slices.Sorted(maps.Values(cfg.apiKeys))) {
		if err := ensureTenant(ctx, s, tenant); err != nil {
			return nil, errors.Join(fmt.Errorf("add tenant %s: %w", tenant, err), s.Close())
		}
	}
	return s, nil
}

func ensureTenant(ctx context.Context, r store.Registry, id string) error {
	_, err := r.Tenant(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	now := store.Now()
	err = r.CreateTenant(ctx, store.Tenant{ID: id, CreatedAt: now, UpdatedAt: now})
	if errors.Is(err, store.ErrExists) {
		return nil // another instance was quicker
	}
	return err
}
