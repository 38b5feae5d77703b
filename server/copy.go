package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	copyLine = "copy --from URL --to URL [--progress FILE]"
	// copyPage and copyBytes bound what is moved in one step.
	copyPage  = 500
	copyBytes = 4 << 20
	// copyTimeout bounds one step.
	copyTimeout = time.Minute
)

// copy moves everything from one database to another: tenants, API keys, events with their ids, times and statuses, and
// idempotency keys. It can be interrupted and goes on where it was. What is there already is replaced.
func (c *command) copy(ctx context.Context, args []string) error {
	var from, to engine
	progressFile := "triggers-copy.json"
	s := newSettings(copyLine, c.stdout)
	s.option("from", "the database to read, such as sqlite:///./data/events.db; no server may be using it", parsingEngine(&from))
	s.option("to", "the database to write, such as postgres://user:password@host/database; dynamodb://region/table", parsingEngine(&to))
	s.option("progress", "where to note how far it has come (default "+progressFile+")", func(value string) error {
		progressFile = value
		return nil
	})
	if _, err := s.read(c.env, args, 0); err != nil {
		return err
	}
	if from.backend == "" || to.backend == "" {
		s.mistakes = append(s.mistakes, errors.New("say with --from and --to which databases are meant"))
	} else if from.String() == to.String() {
		s.mistakes = append(s.mistakes, errors.New("--from and --to are the same database"))
	}
	if err := errors.Join(s.mistakes...); err != nil {
		fmt.Fprintf(c.stderr, "triggers copy: %v\n", err)
		return errUsage
	}
	return c.copyBetween(ctx, from, to, progressFile)
}

func parsingEngine(target *engine) func(string) error {
	return func(value string) (err error) {
		*target, err = parseEngine(value)
		return err
	}
}

func (c *command) copyBetween(ctx context.Context, from, to engine, progressFile string) (err error) {
	if from.backend == backendSQLite {
		if _, err := os.Stat(from.path); err != nil {
			return fmt.Errorf("open %s: %w", from, err) // SQLite would make it
		}
	}
	// What is read is left as it is, its schema included.
	source, err := from.open(ctx, engineOptions{idempotencyTTL: time.Hour})
	if err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	// Not by opening it, which does not wait for a table that is being made.
	migrating, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if _, _, err := to.migrate(migrating, nil); err != nil {
		return fmt.Errorf("migrate %s: %w", to, err)
	}
	target, err := to.open(ctx, engineOptions{idempotencyTTL: time.Hour})
	if err != nil {
		return fmt.Errorf("open %s: %w", to, err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	progress, err := readCopyProgress(progressFile, from.String(), to.String())
	if err != nil {
		return err
	}
	if err := progress.check(ctx, target); err != nil {
		return err
	}
	if progress.Tenant != "" {
		fmt.Fprintf(c.stderr, "going on after %d events, as %s says\n", progress.Events, progressFile)
	}
	m := &move{source: source, target: target, progress: progress, out: c.stderr}
	if err := m.run(ctx); err != nil {
		return fmt.Errorf("copied %d events before it failed; the same command goes on from there: %w", m.progress.Events, err)
	}
	fmt.Fprintf(c.stdout, "copied %d tenants, %d API keys, %d events and %d idempotency keys from %s to %s\n",
		m.tenants, m.keys, m.progress.Events, m.progress.IdempotencyKeys, from, to)
	return progress.remove()
}

// move is one run of copy.
type move struct {
	source, target store.Store
	progress       *copyProgress
	out            io.Writer
	tenants, keys  int
	told           time.Time
}

func (m *move) run(ctx context.Context) error {
	// Tenants and API keys are few, so every run does them all. A tenant may have events and not be registered, or have
	// idempotency keys and no events.
	var ids []string
	if err := eachTenant(ctx, m.source, func(t *store.Tenant) error {
		m.tenants++
		ids = append(ids, t.ID)
		if err := m.tenant(ctx, t); err != nil {
			return err
		}
		return m.apiKeys(ctx, t.ID)
	}); err != nil {
		return err
	}
	for after := ""; ; {
		tenants, err := tenantsWithEvents(ctx, m.source, after)
		if err != nil {
			return err
		}
		ids = append(ids, tenants...)
		if len(tenants) < tenantsPage {
			break
		}
		after = tenants[len(tenants)-1]
	}
	slices.Sort(ids)
	for _, tenant := range slices.Compact(ids) {
		if tenant < m.progress.Tenant {
			continue // done by an earlier run
		}
		if err := m.data(ctx, tenant); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) tenant(ctx context.Context, t *store.Tenant) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	err := m.target.CreateTenant(ctx, *t)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	_, err = store.ChangeTenant(ctx, m.target, t.ID, func(there *store.Tenant) error {
		version := there.Version
		*there = *t
		there.Version = version
		return nil
	})
	return err
}

func (m *move) apiKeys(ctx context.Context, tenantID string) error {
	for after := ""; ; {
		n, last, err := func() (int, string, error) {
			ctx, cancel := context.WithTimeout(ctx, copyTimeout)
			defer cancel()
			keys, err := m.source.Keys(ctx, tenantID, after, keysPage)
			if err != nil || len(keys) == 0 {
				return 0, "", err
			}
			for i := range keys {
				if err := m.apiKey(ctx, &keys[i]); err != nil {
					return 0, "", err
				}
			}
			return len(keys), keys[len(keys)-1].ID, nil
		}()
		if err != nil {
			return err
		}
		if m.keys += n; n < keysPage {
			return nil
		}
		after = last
	}
}

func (m *move) apiKey(ctx context.Context, k *store.Key) error {
	err := m.target.CreateKey(ctx, *k)
	switch {
	case !errors.Is(err, store.ErrExists):
		return err
	case k.ExpiresAt.IsZero():
		return nil
	}
	_, err = m.target.ExpireKey(ctx, k.TenantID, k.ID, k.ExpiresAt)
	return err
}

// data copies one tenant's events and idempotency keys, from where an earlier run stopped.
func (m *move) data(ctx context.Context, tenantID string) error {
	p := m.progress
	if p.Tenant != tenantID {
		p.Tenant, p.Step, p.After = tenantID, 0, ""
	}
	// In the order in which an event changes its status, so that none is missed if a server is running all the same.
	statuses := []store.Status{store.Pending, store.Acknowledged, store.Deleted}
	for ; p.Step < len(statuses); p.Step, p.After = p.Step+1, "" {
		if err := m.repeat(ctx, func(ctx context.Context) (bool, error) { return m.events(ctx, statuses[p.Step]) }); err != nil {
			return err
		}
	}
	return m.repeat(ctx, m.idempotencyKeys)
}

// repeat does steps until there is no more to do, and notes after each how far it has come.
func (m *move) repeat(ctx context.Context, step func(context.Context) (more bool, err error)) error {
	for {
		more, err := func() (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, copyTimeout)
			defer cancel()
			return step(ctx)
		}()
		if err != nil {
			return err
		}
		if err := m.progress.write(); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(m.told) > time.Second {
			m.told = now
			fmt.Fprintf(m.out, "%d events, %d idempotency keys\n", m.progress.Events, m.progress.IdempotencyKeys)
		}
		if !more {
			return nil
		}
	}
}

func (m *move) events(ctx context.Context, status store.Status) (more bool, err error) {
	params := store.ListParams{TenantID: m.progress.Tenant, Status: status, Limit: copyPage, MaxBytes: copyBytes}
	if m.progress.After != "" {
		if params.After, err = store.ParseCursor(m.progress.After); err != nil {
			return false, fmt.Errorf("%s: %w", m.progress.file, err)
		}
	}
	page, err := m.source.List(ctx, params)
	if err != nil || len(page.Events) == 0 {
		return false, err
	}
	if err := m.target.Import(ctx, params.TenantID, page.Events, nil); err != nil {
		return false, err
	}
	m.progress.After = store.Cursor{ID: page.Events[len(page.Events)-1].ID}.String()
	m.progress.Events += len(page.Events)
	m.progress.LastTenant, m.progress.LastEvent = params.TenantID, page.Events[len(page.Events)-1].ID.String()
	return page.More, nil
}

func (m *move) idempotencyKeys(ctx context.Context) (more bool, err error) {
	keys, err := m.source.IdempotencyKeys(ctx, m.progress.Tenant, m.progress.After, copyPage)
	if err != nil || len(keys) == 0 {
		return false, err
	}
	if err := m.target.Import(ctx, m.progress.Tenant, nil, keys); err != nil {
		return false, err
	}
	m.progress.After = keys[len(keys)-1].Key
	m.progress.IdempotencyKeys += len(keys)
	return len(keys) == copyPage, nil
}
