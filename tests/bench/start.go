package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// starts is how often the server is started.
	starts = 5
	// knockEvery is how often it is asked whether it is there: finer than what is measured, too rare to slow it down.
	knockEvery = time.Millisecond
)

// The budget for starting, on SQLite.
const (
	startTime   = 500 * time.Millisecond
	startMemory = 60_000_000
)

// start measures the time from executing the server, on a fresh database, to its first answer, and its memory when idle.
func (b *bench) start(ctx context.Context) error {
	for _, e := range b.on {
		times, memory := make([]time.Duration, starts), make([]int64, starts)
		for i := range starts {
			took, resident, err := b.startOnce(ctx, e, fmt.Sprintf("start-%d", i+1))
			if err != nil {
				return err
			}
			fmt.Printf("%s, start %d: first answer after %s, resident %s when idle\n", e.name, i+1, ms(took), mb(resident))
			times[i], memory[i] = took, resident
		}
		b.reportStart(e, median(times), median(memory))
	}
	return nil
}

func (b *bench) reportStart(e engine, took time.Duration, resident int64) {
	const first, idle = "start to first answer, empty database (median of %d)", "resident memory when idle"
	if e.name != sqlite {
		b.report.note(fmt.Sprintf(first, starts), e.name, ms(took))
		b.report.note(idle, e.name, mb(resident))
		return
	}
	b.report.add(fmt.Sprintf(first, starts), e.name, ms(took), "< 500 ms, aim 100 ms", took < startTime)
	b.report.add(idle, e.name, mb(resident), "< 60 MB, aim 30 MB", resident < startMemory)
}

// startOnce chooses the port itself, because waiting for the log to name it would be measured too.
func (b *bench) startOnce(ctx context.Context, e engine, name string) (took time.Duration, resident int64, err error) {
	port, err := freePort(ctx)
	if err != nil {
		return 0, 0, err
	}
	db, err := e.create(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	p, err := b.launch(ctx, e.name+"-"+name, db.url(), "PORT="+strconv.Itoa(port))
	if err != nil {
		return 0, 0, errors.Join(err, db.drop())
	}
	server := &target{process: p, url: fmt.Sprintf("http://127.0.0.1:%d", port), database: db}
	defer func() { err = errors.Join(err, server.discard()) }()
	knock := newClient(server.url, "", 1)
	defer knock.close()
	err = p.await(ctx, knockEvery, func() bool {
		_, err := knock.fetch(ctx, http.MethodGet, "/readyz", nil)
		took = time.Since(p.started)
		return err == nil
	})
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, idleAfter); err != nil {
		return 0, 0, err
	}
	resident, err = p.resident()
	return took, resident, err
}

// freePort is a port that nobody listens on right now.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("a TCP listener has no TCP address")
	}
	return address.Port, listener.Close()
}
