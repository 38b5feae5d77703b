package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// warmUp is how long each server is loaded before the first round.
	warmUp = 2 * time.Second
	// rest is how long the machine is left alone before each load, for what the load before left to be written.
	rest = time.Second
	// idleAfter is how long a started server is left alone before its memory is read.
	idleAfter = 2 * time.Second
)

// The budget for accepting events.
const (
	acceptRatio = 0.40
	acceptP99   = 15 * time.Millisecond
)

// round is one load of each server, one after the other.
type round struct{ bare, triggers load }

func (r round) ratio() float64 { return r.triggers.rate / r.bare.rate }

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
	server, err := b.startServer(ctx, "accepting")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.discard()) }()

	if err := pause(ctx, idleAfter); err != nil {
		return err
	}
	idle, err := server.resident()
	if err != nil {
		return err
	}
	for _, t := range []*target{bare, server} {
		if err := probe(ctx, t); err != nil {
			return err
		}
		if _, err := loadAfterRest(ctx, tool, t, warmUp); err != nil {
			return err
		}
	}
	rounds := make([]round, b.rounds)
	for i := range rounds {
		r := &rounds[i]
		if r.bare, err = loadAfterRest(ctx, tool, bare, b.duration); err != nil {
			return err
		}
		if r.triggers, err = loadAfterRest(ctx, tool, server, b.duration); err != nil {
			return err
		}
		fmt.Printf("round %d  bare      %s\n         triggers  %s  ratio %.3f\n", i+1, r.bare, r.triggers, r.ratio())
	}
	loaded, err := server.resident()
	if err != nil {
		return err
	}
	b.reportAccept(rounds, idle, loaded)
	return nil
}

func (b *bench) reportAccept(rounds []round, idle, loaded int64) {
	ratio := medianOf(rounds, round.ratio)
	rate := medianOf(rounds, func(r round) float64 { return r.triggers.rate })
	bareRate := medianOf(rounds, func(r round) float64 { return r.bare.rate })
	times := spread{
		p50: medianOf(rounds, func(r round) time.Duration { return r.triggers.p50 }),
		p95: medianOf(rounds, func(r round) time.Duration { return r.triggers.p95 }),
		p99: medianOf(rounds, func(r round) time.Duration { return r.triggers.p99 }),
	}
	fmt.Printf("median   ratio %.3f  %s  resident %s idle, %s after the load\n", ratio, times, mb(idle), mb(loaded))
	b.report.add(fmt.Sprintf("accept, ratio to bare (median of %d)", len(rounds)), fmt.Sprintf("%.3f", ratio),
		"≥ 0.40, aim 0.55", ratio >= acceptRatio)
	b.report.add("accept, p99", ms(times.p99), "< 15 ms", times.p99 < acceptP99)
	b.report.note("accept, p50 / p95", ms(times.p50)+" / "+ms(times.p95))
	b.report.note("accept, rate: triggers / bare", grouped(int(rate))+"/s / "+grouped(int(bareRate))+"/s")
	b.report.note("resident memory after accepting", mb(loaded))
}

// probe sends one event and wants exactly 200; see script.
func probe(ctx context.Context, t *target) error {
	c := newClient(t.url, developmentKey, 1)
	defer c.close()
	return c.create(ctx, 1)
}

func loadAfterRest(ctx context.Context, tool *wrk, t *target, duration time.Duration) (load, error) {
	if err := pause(ctx, rest); err != nil {
		return load{}, err
	}
	return tool.run(ctx, t, duration)
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
