package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// consumers is how many drain the backlog at once. Each is a tenant, because consumers of one inbox would be given the
// same page.
const consumers = 8

// pullRate is the budget for draining, in events per second, on SQLite.
const pullRate = 12_000

// drained is what one consumer did.
type drained struct {
	events     int
	list, acks []time.Duration
}

// pull measures how fast a backlog is listed and acknowledged. The consumers are in this process and decode what they
// read, so their work is in the number, as it is when they run on the same machine.
func (b *bench) pull(ctx context.Context) error {
	for _, e := range b.on {
		if err := b.pullFrom(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) pullFrom(ctx context.Context, e engine) (err error) {
	keys := make([]string, consumers)
	pairs := make([]string, consumers)
	for i := range consumers {
		keys[i] = fmt.Sprintf("bench-key-%d", i)
		pairs[i] = fmt.Sprintf("%s=tenant_%d", keys[i], i)
	}
	server, err := b.startFresh(ctx, e, "pull", "API_KEYS="+strings.Join(pairs, ","))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.discard()) }()
	fmt.Printf("filling %d inboxes on %s with %s pending events\n", consumers, e.name, grouped(b.backlog))
	err = together(ctx, consumers, func(ctx context.Context, i int) error {
		c := newClient(server.url, keys[i], 1)
		defer c.close()
		for n := 0; n < b.backlog/consumers; n += batchSize {
			if _, err := c.createBatch(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(server.database.settle(ctx), pause(ctx, rest)); err != nil {
		return err
	}
	work := make([]drained, consumers)
	start := time.Now()
	err = together(ctx, consumers, func(ctx context.Context, i int) error {
		c := newClient(server.url, keys[i], 1)
		defer c.close()
		return work[i].drain(ctx, c)
	})
	took := time.Since(start)
	if err != nil {
		return err
	}
	var all drained
	for _, d := range work {
		all.events += d.events
		all.list, all.acks = slices.Concat(all.list, d.list), slices.Concat(all.acks, d.acks)
	}
	if all.events != b.backlog {
		return fmt.Errorf("%d events were drained instead of %d", all.events, b.backlog)
	}
	b.reportPull(e, all, took)
	return nil
}

// drain lists and acknowledges until the inbox is empty.
func (d *drained) drain(ctx context.Context, c *client) error {
	for {
		start := time.Now()
		p, err := c.list(ctx, pageSize, "")
		if err != nil {
			return err
		}
		if len(p.Events) == 0 {
			return nil
		}
		listed := time.Now()
		if err := c.acknowledge(ctx, p.ids()); err != nil {
			return err
		}
		d.list, d.acks = append(d.list, listed.Sub(start)), append(d.acks, time.Since(listed))
		d.events += len(p.Events)
	}
}

func (b *bench) reportPull(e engine, all drained, took time.Duration) {
	rate := perSecond(all.events, took)
	fmt.Printf("drained %s events in %.1f s: %s events/s\n", grouped(all.events), took.Seconds(), grouped(int(rate)))
	fmt.Printf("a page of %d listed: %s\nand acknowledged:     %s\n", pageSize, spreadOf(all.list), spreadOf(all.acks))
	what := fmt.Sprintf("pull, %d consumers, pages of %d listed and acknowledged", consumers, pageSize)
	if e.name != sqlite {
		b.report.note(what, e.name, grouped(int(rate))+" events/s")
		return
	}
	b.report.add(what, e.name, grouped(int(rate))+" events/s", "≥ 12 000/s on 2 cores, aim 25 000", rate >= pullRate)
}
