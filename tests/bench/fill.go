package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// producers is how many fill a server at a time.
const producers = 8

// fill stores events in one tenant's inbox through the API. Of every keep events one stays pending; the others are
// acknowledged while it fills, so that what is pending lies scattered over the whole history: a page of it touches as
// much of the file as it can.
func fill(ctx context.Context, server *target, stored, keep int) error {
	fmt.Printf("filling %s with %s events, %s of them pending\n", server.name, grouped(stored), grouped(stored/keep))
	c := newClient(server.url, developmentKey, producers)
	defer c.close()
	var next atomic.Int64
	start := time.Now()
	err := together(ctx, producers, func(ctx context.Context, _ int) error {
		var taken []string
		for {
			first := int(next.Add(batchSize)) - batchSize
			if first >= stored {
				break
			}
			ids, err := c.createBatch(ctx, first)
			if err != nil {
				return err
			}
			for i, id := range ids {
				if i%keep != 0 {
					taken = append(taken, id)
				}
			}
			if len(taken) >= pageSize {
				if err := c.acknowledge(ctx, taken[:pageSize]); err != nil {
					return err
				}
				taken = append(taken[:0], taken[pageSize:]...)
			}
		}
		if len(taken) == 0 {
			return nil
		}
		return c.acknowledge(ctx, taken)
	})
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	took := time.Since(start)
	fmt.Printf("filled in %.1f s, %s events/s\n", took.Seconds(), grouped(int(perSecond(stored, took))))
	return nil
}

// together runs work n times at once. The first error ends the others, and is returned.
func together(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := range n {
		workers.Go(func() {
			if err := work(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
