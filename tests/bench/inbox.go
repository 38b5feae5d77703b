package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// smallStored is how many events the small inbox has, all of them pending.
	smallStored = 1000
	// pendingOf says that of so many events in the large inbox one is pending.
	pendingOf = 10
	// listed is the size of the measured page.
	listed = 50
	// Each page is asked for in blocks that take turns, so that a machine that is slow for a while is slow for all.
	blocks, blockSize = 10, 50
)

// The budget for a page of the inbox.
const (
	inboxP95   = 10 * time.Millisecond
	inboxRatio = 2
)

// view is a page of an inbox that is measured.
type view struct {
	name   string
	client *client
	cursor string
	times  []time.Duration
}

// inbox measures a page of the inbox, at its beginning and in its middle, with few and with many events stored.
func (b *bench) inbox(ctx context.Context) (err error) {
	var views []*view
	for _, inbox := range []struct {
		name         string
		stored, keep int
	}{{"small", smallStored, 1}, {"large", b.stored, pendingOf}} {
		server, err := b.startServer(ctx, inbox.name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.discard()) }()
		if err := fill(ctx, server, inbox.stored, inbox.keep); err != nil {
			return err
		}
		c := newClient(server.url, developmentKey, 1)
		defer c.close()
		middle, err := middleOf(ctx, c, inbox.stored/inbox.keep)
		if err != nil {
			return err
		}
		views = append(views, &view{name: inbox.name + " first", client: c}, &view{name: inbox.name + " middle", client: c, cursor: middle})
	}
	for block := range blocks + 1 {
		for _, v := range views {
			if err := v.measure(ctx, blockSize); err != nil {
				return err
			}
			if block == 0 {
				v.times = nil // to warm up
			}
		}
	}
	b.reportInbox(views)
	return nil
}

// middleOf reads the whole inbox, makes sure that it holds what it should, and returns the cursor to its middle.
func middleOf(ctx context.Context, c *client, pending int) (string, error) {
	var cursor, middle string
	for seen := 0; ; {
		p, err := c.list(ctx, pageSize, cursor)
		if err != nil {
			return "", err
		}
		seen += len(p.Events)
		if p.NextCursor == nil {
			if seen != pending {
				return "", fmt.Errorf("the inbox has %d events instead of %d", seen, pending)
			}
			return middle, nil
		}
		cursor = *p.NextCursor
		if seen <= pending/2 {
			middle = cursor
		}
	}
}

// measure asks for the page again and again on one connection. A time ends when the answer is read, not when it is
// decoded: that is the consumer's own work.
func (v *view) measure(ctx context.Context, times int) error {
	path := inboxPath(listed, v.cursor)
	for range times {
		start := time.Now()
		answer, err := v.client.fetch(ctx, http.MethodGet, path, nil)
		v.times = append(v.times, time.Since(start))
		if err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(answer, &p); err != nil {
			return err
		}
		if len(p.Events) != listed {
			return errors.New(v.name + ": the page is not full")
		}
	}
	return nil
}

// reportInbox takes the views in the order they were made: small first, small middle, large first, large middle.
func (b *bench) reportInbox(views []*view) {
	for _, v := range views {
		fmt.Printf("%-12s  %s\n", v.name, spreadOf(v.times))
	}
	for i, place := range []string{"first", "middle"} {
		small, large := spreadOf(views[i].times), spreadOf(views[i+2].times)
		ratio := float64(large.p95) / float64(small.p95)
		fmt.Printf("%s page: p95 with %s stored is %.2f times that with %s\n", place, grouped(b.stored), ratio, grouped(smallStored))
		metric := fmt.Sprintf("inbox, %s page of %d, %s stored, %s pending", place, listed, grouped(b.stored), grouped(b.stored/pendingOf))
		measured := fmt.Sprintf("p95 %s (p50 %s, p99 %s), %.2f× of %s with %s stored",
			ms(large.p95), ms(large.p50), ms(large.p99), ratio, ms(small.p95), grouped(smallStored))
		budget := "1 000 000 stored: p95 < 10 ms and within 2×"
		if b.stored == fullSize {
			b.report.add(metric, measured, budget, large.p95 < inboxP95 && ratio <= inboxRatio)
		} else {
			b.report.addUnjudged(metric, measured, budget)
		}
	}
}
