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

// filled is an engine's two inboxes: a small one and a large one.
type filled struct {
	engine       engine
	small, large inboxViews
}

// inboxViews are the pages of one inbox.
type inboxViews struct{ first, middle *view }

// inbox measures a page of the inbox, at its beginning and in its middle, with few and with many events stored.
func (b *bench) inbox(ctx context.Context) (err error) {
	var views []*view
	inboxes := make([]filled, 0, len(b.on))
	for _, e := range b.on {
		f := filled{engine: e}
		for _, inbox := range []struct {
			name         string
			stored, keep int
			views        *inboxViews
		}{{"small", smallStored, 1, &f.small}, {"large", b.stored, pendingOf, &f.large}} {
			server, err := b.startFresh(ctx, e, inbox.name)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.discard()) }()
			c := newClient(server.url, developmentKey, 1)
			defer c.close()
			if *inbox.views, err = viewsOf(ctx, server, c, inbox.stored, inbox.keep); err != nil {
				return err
			}
			views = append(views, inbox.views.first, inbox.views.middle)
		}
		inboxes = append(inboxes, f)
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
	for _, v := range views {
		fmt.Printf("%-24s  %s\n", v.name, spreadOf(v.times))
	}
	for _, f := range inboxes {
		b.reportInbox(f.engine, "first", f.small.first, f.large.first)
		b.reportInbox(f.engine, "middle", f.small.middle, f.large.middle)
	}
	return nil
}

// viewsOf fills the server and returns what is going to be measured through the client.
func viewsOf(ctx context.Context, server *target, c *client, stored, keep int) (inboxViews, error) {
	if err := fill(ctx, server, stored, keep); err != nil {
		return inboxViews{}, err
	}
	if err := server.database.settle(ctx); err != nil {
		return inboxViews{}, err
	}
	middle, err := middleOf(ctx, c, stored/keep)
	return inboxViews{
		first:  &view{name: server.name + " first", client: c},
		middle: &view{name: server.name + " middle", client: c, cursor: middle},
	}, err
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

// reportInbox compares the same page of a small and a large inbox.
func (b *bench) reportInbox(e engine, place string, ofSmall, ofLarge *view) {
	small, large := spreadOf(ofSmall.times), spreadOf(ofLarge.times)
	ratio := float64(large.p95) / float64(small.p95)
	what := fmt.Sprintf("inbox, %s page of %d, %s stored, %s pending", place, listed, grouped(b.stored), grouped(b.stored/pendingOf))
	measured := fmt.Sprintf("p95 %s (p50 %s, p99 %s), %.2f× of %s with %s stored",
		ms(large.p95), ms(large.p50), ms(large.p99), ratio, ms(small.p95), grouped(smallStored))
	budget := "1 000 000 stored: p95 < 10 ms and within 2×"
	if b.stored == fullSize {
		b.report.add(what, e.name, measured, budget, large.p95 < inboxP95 && ratio <= inboxRatio)
	} else {
		b.report.addUnjudged(what, e.name, measured, budget)
	}
}
