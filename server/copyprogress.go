package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/triggers-api/triggers/store"
)

// copyProgress is how far a copy has come, in a file. Without the file everything is copied again, which does no harm.
type copyProgress struct {
	// From and To name the databases that this is about.
	From, To string
	// Tenant is the one whose data is being copied; Step is 0 to 2 for its events by status, 3 for its idempotency keys;
	// After is the last one copied of those: a cursor or a key.
	Tenant, After string
	Step          int
	// LastTenant and LastEvent are the event copied last, which the target must have for the copy to go on.
	LastTenant, LastEvent string
	// Events and IdempotencyKeys are how many were copied so far.
	Events, IdempotencyKeys int

	file string
}

func readCopyProgress(file, from, to string) (*copyProgress, error) {
	p := &copyProgress{From: from, To: to, file: file}
	content, err := os.ReadFile(file) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the copy has come: %w", err)
	}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("%s does not say how far a copy has come: %w", file, err)
	}
	if p.From != from || p.To != to {
		return nil, fmt.Errorf("%s is about a copy from %s to %s: remove it, or name another file with --progress", file, p.From, p.To)
	}
	return p, nil
}

// check returns an error unless the target has what was copied last: it may have been made anew since.
func (p *copyProgress) check(ctx context.Context, target store.Store) error {
	if p.LastEvent == "" {
		return nil
	}
	id, err := store.ParseEventID(p.LastEvent)
	if err == nil {
		_, err = target.Event(ctx, p.LastTenant, id)
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMalformedID) {
		return fmt.Errorf("%s does not have what was copied to it, as %s says: remove that file to copy everything again", p.To, p.file)
	}
	return err
}

// write replaces the file in one go, so that it is whole whenever the process ends.
func (p *copyProgress) write() error {
	content, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(p.file+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(p.file+".new", p.file)
	}
	if err != nil {
		return fmt.Errorf("note how far the copy has come: %w", err)
	}
	return nil
}

func (p *copyProgress) remove() error {
	if err := os.Remove(p.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the note of how far the copy has come: %w", err)
	}
	return nil
}
