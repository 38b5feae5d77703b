package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// warmUp is how long each contender is loaded before the first round.
	warmUp = 2 * time.Second
	// rest is how long the machine is left alone before each load, for what the load before left to be written.
	rest = time.Second
	// idleAfter is how long a started server is left alone before its memory is read.
	idleAfter = 2 * time.Second
)

// acceptBudget is what is demanded of accepting events.
type acceptBudget struct {
	must, aim float64       // rate, as a ratio to the bare server's
	p99       time.Duration // 0: not judged
}

var acceptBudgets = map[string]acceptBudget{
	sqlite:   {must: 0.40, aim: 0.55, p99: 15 * time.Millisecond},
	postgres: {must: 0.25, aim: 0.40},
}

// contender is loaded in turn with the others.
type contender struct {
	name    string
	servers []*target // share the load
	loads   []load    // one for each round
	idle    int64     // resident memory of the first server before the first load
}

// accept measures how fast events are accepted, beside what a bare handler does at the same time.
func (b *bench) accept(ctx context.Context) (err error) {
	tool, err := findWrk(ctx, b.dir)
	if err != nil {
		return err
	}
	bare, err := b.startBare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.discard()) }()
	contenders := []*contender{{name: bareCommand, servers: []*target{bare}}}
	for _, e := range b.on {
		server, err := b.startFresh(ctx, e, "accept")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.discard()) }()
		contenders = append(contenders, &contender{name: e.name, servers: []*target{server}})
		if e.name != postgres {
			continue
		}
		second, err := b.startServer(ctx, "accept-second-instance", server.database.url())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, second.discard()) }()
		contenders = append(contenders, &contender{name: e.name + twoInstances, servers: []*target{server, second}})
	}
	for _, c := range contenders {
		if err := c.prepare(ctx, tool); err != nil {
			return err
		}
	}
	for i := range b.rounds {
		for _, c := range contenders {
			l, err := tool.runAll(ctx, c.servers, b.duration)
			if err != nil {
				return err
			}
			c.loads = append(c.loads, l)
			fmt.Printf("round %d  %-26s %s  ratio %.3f\n", i+1, c.name, l, l.rate/contenders[0].loads[i].rate)
		}
	}
	for _, c := range contenders[1:] {
		if err := b.reportAccept(contenders[0], c); err != nil {
			return err
		}
	}
	return nil
}

// twoInstances is what the name of an engine ends with where two servers share one database.
const twoInstances = ", two instances"

// prepare reads the memory of the idle server, makes sure that all servers accept, and warms them up.
func (c *contender) prepare(ctx context.Context, tool *wrk) (err error) {
	if err := pause(ctx, idleAfter); err != nil {
		return err
	}
	if c.idle, err = c.servers[0].resident(); err != nil {
		return err
	}
	for _, t := range c.servers {
		if err := probe(ctx, t); err != nil {
			return err
		}
	}
	_, err = tool.runAll(ctx, c.servers, warmUp)
	return err
}

// ratios are the contender's rates as ratios to the bare server's in the same round.
func (c *contender) ratios(bare *contender) []float64 {
	ratios := make([]float64, len(c.loads))
	for i, l := range c.loads {
		ratios[i] = l.rate / bare.loads[i].rate
	}
	return ratios
}

func (b *bench) reportAccept(bare, c *contender) error {
	loaded, err := c.servers[0].resident()
	if err != nil {
		return err
	}
	rate := func(l load) float64 { return l.rate }
	ratio := median(c.ratios(bare))
	times := spread{
		p50: medianOf(c.loads, func(l load) time.Duration { return l.p50 }),
		p95: medianOf(c.loads, func(l load) time.Duration { return l.p95 }),
		p99: medianOf(c.loads, func(l load) time.Duration { return l.p99 }),
	}
	budget := acceptBudgets[c.name]
	what := fmt.Sprintf("accept, ratio to bare (median of %d)", len(c.loads))
	rates := fmt.Sprintf("%.3f (%s/s to %s/s)", ratio, grouped(int(medianOf(c.loads, rate))), grouped(int(medianOf(bare.loads, rate))))
	if budget.must > 0 {
		b.report.add(what, c.name, rates, fmt.Sprintf("≥ %.2f, aim %.2f", budget.must, budget.aim), ratio >= budget.must)
	} else {
		b.report.note(what, c.name, rates)
	}
	const percentiles = "accept, p50 / p95 / p99"
	measured := ms(times.p50) + " / " + ms(times.p95) + " / " + ms(times.p99)
	if budget.p99 > 0 {
		b.report.add(percentiles, c.name, measured, fmt.Sprintf("p99 < %d ms", budget.p99.Milliseconds()), times.p99 < budget.p99)
	} else {
		b.report.note(percentiles, c.name, measured)
	}
	if len(c.servers) == 1 {
		b.report.note("accept, resident memory before / after", c.name, mb(c.idle)+" / "+mb(loaded))
	}
	return nil
}

// probe sends one event and wants exactly 200; see script.
func probe(ctx context.Context, t *target) error {
	c := newClient(t.url, developmentKey, 1)
	defer c.close()
	return c.create(ctx, 1)
}

// pause waits, but not beyond the run's end.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
