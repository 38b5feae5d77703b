package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// migrateTimeout bounds "triggers migrate": building an index on much data takes its time.
const migrateTimeout = time.Hour

func (c *command) migrate(ctx context.Context, args []string) error {
	storage, _, err := c.parse("migrate [flags]", args, 0, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	from, to, err := storage.engine.migrate(ctx, slog.New(slog.NewTextHandler(c.stderr, nil)))
	if err != nil {
		return err
	}
	if from == to {
		fmt.Fprintf(c.stdout, "%s: nothing to do, the schema has version %d\n", storage.engine, to)
		return nil
	}
	fmt.Fprintf(c.stdout, "%s: the schema had version %d and now has %d\n", storage.engine, from, to)
	return nil
}
