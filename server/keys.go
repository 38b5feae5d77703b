package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// keysPage is how many keys are read at once.
	keysPage = 500
	// maxKeyName is the length of a key's name in characters, as in the contract.
	maxKeyName = 100
)

func (c *command) keys() family {
	return family{
		"create": {"create TENANT --name NAME [--scopes a,b] [--expires-in 2160h]", c.createKey},
		"list":   {"list TENANT", c.listKeys},
		"revoke": {"revoke TENANT KEY_ID", c.revokeKey},
		"rotate": {"rotate TENANT KEY_ID [--overlap 24h] [--expires-in 2160h]", c.rotateKey},
	}
}

func (c *command) createKey(ctx context.Context, line string, args []string) error {
	name, scopes := "", store.Scopes()
	var expires time.Time
	storage, arguments, err := c.parse(line, args, 1, func(s *settings) {
		s.option("name", "what the key is for", naming(maxKeyName, func(value string) { name = value }))
		s.option("scopes", "what it may be used for, comma-separated: "+scopeList()+" (default all)", func(value string) (err error) {
			scopes, err = parseScopes(value)
			return err
		})
		s.option("expires-in", "how long it is valid, such as 2160h for 90 days (default for ever)", fromNow(&expires))
	})
	if err != nil {
		return err
	}
	if name == "" {
		return c.mistaken(line, errors.New("say with --name what the key is for"))
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		secret, key := store.NewKey(arguments[0], name, scopes, expires)
		if err := r.CreateKey(ctx, key); err != nil {
			return noTenant(arguments[0], err)
		}
		c.showSecret(secret, &key)
		return nil
	})
}

// showSecret prints the key alone to standard output, so that it can be passed on.
func (c *command) showSecret(secret string, k *store.Key) {
	fmt.Fprintf(c.stderr, "Key %s of tenant %s. It is shown this once:\n", k.ID, k.TenantID)
	fmt.Fprintln(c.stdout, secret)
}

func (c *command) listKeys(ctx context.Context, line string, args []string) error {
	storage, arguments, err := c.parse(line, args, 1, nil)
	if err != nil {
		return err
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		if _, err := r.Tenant(ctx, arguments[0]); err != nil {
			return noTenant(arguments[0], err)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tKEY\tNAME\tSTATE\tSCOPES\tCREATED\tEXPIRES\tLAST USED")
		for after := ""; ; {
			keys, err := r.Keys(ctx, arguments[0], after, keysPage)
			if err != nil {
				return err
			}
			for i := range keys {
				showKey(table, &keys[i])
			}
			if len(keys) < keysPage {
				return table.Flush()
			}
			after = keys[len(keys)-1].ID
		}
	})
}

func showKey(table *tabwriter.Writer, k *store.Key) {
	state, scopes := "active", make([]string, len(k.Scopes))
	if k.Expired(time.Now()) {
		state = "expired"
	}
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	if len(scopes) == len(store.Scopes()) {
		scopes = []string{"all"}
	}
	fmt.Fprintf(table, "%s\t%s…\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Hint, k.Name, state, strings.Join(scopes, ","),
		day(k.CreatedAt), day(k.ExpiresAt), day(k.LastUsedAt))
}

func (c *command) revokeKey(ctx context.Context, line string, args []string) error {
	storage, arguments, err := c.parse(line, args, 2, nil)
	if err != nil {
		return err
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		if _, err := r.ExpireKey(ctx, arguments[0], arguments[1], store.Now()); err != nil {
			return noKey(arguments, err)
		}
		fmt.Fprintf(c.stdout, "key %s is revoked; every instance refuses it within seconds\n", arguments[1])
		return nil
	})
}

func (c *command) rotateKey(ctx context.Context, line string, args []string) error {
	overlap, expires := 24*time.Hour, time.Time{}
	storage, arguments, err := c.parse(line, args, 2, func(s *settings) {
		s.option("overlap", "how long the old key stays valid (default 24h)", duration(&overlap, 0))
		s.option("expires-in", "how long the new key is valid, such as 2160h for 90 days (default for ever)", fromNow(&expires))
	})
	if err != nil {
		return err
	}
	return c.registry(ctx, storage, func(ctx context.Context, r registry) error {
		secret, key, err := store.RotateKey(ctx, r, arguments[0], arguments[1], overlap, expires)
		if err != nil {
			return noKey(arguments, err)
		}
		c.showSecret(secret, &key)
		return nil
	})
}

func noKey(arguments []string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("tenant %s has no key %s", arguments[0], arguments[1])
	case errors.Is(err, store.ErrNoEnd):
		return fmt.Errorf("key %s expires (it was made so, or was rotated before): say with --expires-in how long the new one is valid", arguments[1])
	case errors.Is(err, store.ErrExpired):
		return fmt.Errorf("key %s has expired; make a new one", arguments[1])
	default:
		return err
	}
}

// fromNow is a time in the future, given as how long it takes until then.
func fromNow(target *time.Time) func(string) error {
	return func(value string) error {
		var life time.Duration
		err := duration(&life, time.Second)(value)
		*target = time.Now().Add(life)
		return err
	}
}

func duration(target *time.Duration, least time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < least {
			return fmt.Errorf("must be a length of time such as 24h or 30m, at least %s", least)
		}
		*target = d
		return nil
	}
}

func parseScopes(text string) ([]store.Scope, error) {
	var scopes []store.Scope
	for word := range strings.SplitSeq(text, ",") {
		scope := store.Scope(strings.TrimSpace(word))
		if !slices.Contains(store.Scopes(), scope) {
			return nil, fmt.Errorf("must be some of %s", scopeList())
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

func scopeList() string {
	words := make([]string, len(store.Scopes()))
	for i, scope := range store.Scopes() {
		words[i] = string(scope)
	}
	return strings.Join(words, ", ")
}
