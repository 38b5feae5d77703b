package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/triggers-api/triggers/store"
)

// maxTenantName is the length of a tenant's name in characters, as in the contract.
const maxTenantName = 255

func (c *command) tenants() family {
	return family{
		"list":    {"list", c.listTenants},
		"create":  {"create ID [--name NAME] [--rate-limit N] [--retention-days N]", c.createTenant},
		"update":  {"update ID [--name NAME] [--rate-limit N|default] [--retention-days N|default]", c.updateTenant},
		"disable": {"disable ID", c.setDisabled(true)},
		"enable":  {"enable ID", c.setDisabled(false)},
		"erase":   {"erase ID --yes", c.eraseTenant},
	}
}

func (c *command) listTenants(ctx context.Context, line string, args []string) error {
	storage, _, err := c.parse(line, args, 0, nil)
	if err != nil {
		return err
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tSTATE\tRATE LIMIT\tRETENTION\tCREATED\tERASURE")
		if err := eachTenant(ctx, r, func(t *store.Tenant) error {
			state := "enabled"
			if t.Disabled {
				state = "disabled"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, state, shown(t.RateLimitPerMinute, "/min", "no limit"),
				shown(t.RetentionDays, " days", "for ever"), day(t.CreatedAt), progress(t.Erasure))
			return nil
		}); err != nil {
			return err
		}
		return table.Flush()
	})
}

// tenantFlags are what of a tenant can be set; nil for what was not given.
type tenantFlags struct {
	name                       *string
	rateLimit, retention       *int
	rateDefault, retainDefault bool
}

func (f *tenantFlags) register(s *settings) {
	s.option("name", "for people", naming(maxTenantName, func(value string) { f.name = &value }))
	s.option("rate-limit", "requests that each of its keys may make in a minute; 0 for no limit, default for the server's setting",
		overriding(&f.rateLimit, &f.rateDefault, 1_000_000_000))
	s.option("retention-days", "how long its events are kept; 0 for ever, default for the server's setting",
		overriding(&f.retention, &f.retainDefault, 36_500))
}

func overriding(target **int, standard *bool, most int) func(string) error {
	return func(value string) error {
		if value == "default" {
			*target, *standard = nil, true
			return nil
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > most {
			return fmt.Errorf("must be a whole number from 0 to %d, or default", most)
		}
		*target, *standard = &n, false
		return nil
	}
}

func (f *tenantFlags) apply(t *store.Tenant) {
	if f.name != nil {
		t.Name = *f.name
	}
	if f.rateLimit != nil || f.rateDefault {
		t.RateLimitPerMinute = f.rateLimit
	}
	if f.retention != nil || f.retainDefault {
		t.RetentionDays = f.retention
	}
}

func (c *command) createTenant(ctx context.Context, line string, args []string) error {
	var flags tenantFlags
	storage, arguments, err := c.parse(line, args, 1, flags.register)
	if err != nil {
		return err
	}
	now := store.Now()
	tenant := store.Tenant{ID: arguments[0], CreatedAt: now, UpdatedAt: now}
	if err := store.CheckTenantID(tenant.ID); err != nil {
		return c.mistaken(line, fmt.Errorf("a tenant's id %w", err))
	}
	flags.apply(&tenant)
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		if err := r.CreateTenant(ctx, tenant); errors.Is(err, store.ErrExists) {
			return fmt.Errorf("there is already a tenant %s", tenant.ID)
		} else if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "tenant %s is there; \"triggers keys create %s --name …\" makes a key for it\n", tenant.ID, tenant.ID)
		return nil
	})
}

func (c *command) updateTenant(ctx context.Context, line string, args []string) error {
	var flags tenantFlags
	storage, arguments, err := c.parse(line, args, 1, flags.register)
	if err != nil {
		return err
	}
	if flags == (tenantFlags{}) {
		return c.mistaken(line, errors.New("say with a flag what is to change; -h shows which there are"))
	}
	return c.changeTenant(ctx, storage, arguments[0], "changed; every instance acts on it within seconds", flags.apply)
}

func (c *command) setDisabled(disabled bool) func(context.Context, string, []string) error {
	done := "enabled"
	if disabled {
		done = "disabled"
	}
	return func(ctx context.Context, line string, args []string) error {
		storage, arguments, err := c.parse(line, args, 1, nil)
		if err != nil {
			return err
		}
		return c.changeTenant(ctx, storage, arguments[0], done+"; every instance acts on it within seconds", func(t *store.Tenant) { t.Disabled = disabled })
	}
}

func (c *command) changeTenant(ctx context.Context, storage *storageConfig, id, done string, change func(*store.Tenant)) error {
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		_, err := store.ChangeTenant(ctx, r, id, func(t *store.Tenant) error {
			change(t)
			return nil
		})
		if err != nil {
			return noTenant(id, err)
		}
		fmt.Fprintf(c.stdout, "tenant %s is %s\n", id, done)
		return nil
	})
}

func (c *command) eraseTenant(ctx context.Context, line string, args []string) error {
	var sure bool
	storage, arguments, err := c.parse(line, args, 1, func(s *settings) {
		s.flags.BoolVar(&sure, "yes", false, "yes, erase all events that the tenant has by now, for good")
	})
	if err != nil {
		return err
	}
	if !sure {
		return c.mistaken(line, errors.New("this erases all events of the tenant for good; say --yes if that is meant"))
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		if _, err := store.BeginErasure(ctx, r, arguments[0], store.Now().Add(time.Millisecond)); err != nil {
			return noTenant(arguments[0], err)
		}
		fmt.Fprintf(c.stdout, "a running server erases the data of tenant %s within a minute; \"triggers tenants list\" shows how far it has come\n", arguments[0])
		return nil
	})
}

func noTenant(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no tenant %s", id)
	}
	return err
}

// shown is a setting of a tenant's own.
func shown(n *int, unit, zero string) string {
	switch {
	case n == nil:
		return "default"
	case *n == 0:
		return zero
	default:
		return strconv.Itoa(*n) + unit
	}
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateTime)
}

func progress(e *store.Erasure) string {
	switch {
	case e == nil:
		return "-"
	case e.FinishedAt.IsZero():
		return fmt.Sprintf("running, %d events", e.Events)
	default:
		return fmt.Sprintf("finished, %d events", e.Events)
	}
}
