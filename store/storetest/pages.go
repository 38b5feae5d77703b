package storetest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testPages(t *testing.T, h Harness) {
	t.Run("Boundaries", func(t *testing.T) {
		ctx, s := setup(t, h)
		ids := appendMany(t, s, tenantA, 501)
		wantList(t, s, store.ListParams{}, ids...)
		for _, limit := range []int{1, 2, 24, 25, 26, 99, 100, 101, 250, 499, 500, 501, 502} {
			// The walk begins where few pages are left of it.
			from := max(0, len(ids)-5*limit-1)
			after := store.Cursor{}
			if from > 0 {
				after.ID = ids[from-1]
			}
			wantList(t, s, store.ListParams{Limit: limit, After: after}, ids[from:]...)
			// Whether there is more is known at the very end.
			for _, left := range []int{limit - 1, limit, limit + 1} {
				if left < 1 || left >= len(ids) {
					continue
				}
				params := store.ListParams{TenantID: tenantA, Status: store.Pending, Limit: limit, After: store.Cursor{ID: ids[len(ids)-left-1]}}
				page, err := s.List(ctx, params)
				must(t, err)
				if len(page.Events) != min(left, limit) || page.More != (left > limit) {
					t.Errorf("limit %d, %d left: %d events, more is %v", limit, left, len(page.Events), page.More)
				}
			}
		}
	})
	t.Run("RareMatches", func(t *testing.T) {
		// However many events a filter passes over, pages are full.
		_, s := setup(t, h)
		var rare, topic []store.EventID
		ids := appendBatches(t, s, tenantA, 600, func(i int) store.NewEvent {
			e := plain()
			e.Type, e.Topic, e.Source = "common", strconv.Itoa(i%100), "s"
			if i%59 == 0 {
				e.Type = "rare"
			}
			return e
		})
		for i, id := range ids {
			if i%59 == 0 {
				rare = append(rare, id)
			}
			if i%100 == 42 {
				topic = append(topic, id)
			}
		}
		wantList(t, s, store.ListParams{}, ids...)
		for _, limit := range []int{1, 4, 10, 11, 12, 100} {
			wantList(t, s, store.ListParams{Type: "rare", Limit: limit}, rare...)
			wantList(t, s, store.ListParams{Topic: "42", Source: "s", Limit: limit}, topic...)
		}
		wantList(t, s, store.ListParams{Type: "rare", Topic: "59"}, ids[59])
		wantList(t, s, store.ListParams{Type: "rare", After: store.Cursor{ID: ids[59]}, Until: ids[599].Time().Add(time.Millisecond)}, rare[2:]...)
		wantList(t, s, store.ListParams{Type: "never"})
	})
	t.Run("Gaps", func(t *testing.T) {
		// Pages are full although most events have left the list.
		ctx, s := setup(t, h)
		ids := appendMany(t, s, tenantA, 400)
		var pending, acknowledged, deleted []store.EventID
		for i, id := range ids {
			switch {
			case i%40 == 7:
				pending = append(pending, id)
			case i%2 == 0:
				acknowledged = append(acknowledged, id)
			default:
				deleted = append(deleted, id)
			}
		}
		_, err := s.Acknowledge(ctx, tenantA, acknowledged)
		must(t, err)
		_, err = s.Delete(ctx, tenantA, deleted)
		must(t, err)
		for _, limit := range []int{3, 10, 100} {
			wantList(t, s, store.ListParams{Limit: limit}, pending...)
		}
		wantList(t, s, store.ListParams{Status: store.Acknowledged, Limit: 99}, acknowledged...)
		wantList(t, s, store.ListParams{Status: store.Deleted, Limit: 101}, deleted...)
	})
	t.Run("CursorOutlivesEvent", func(t *testing.T) {
		ctx, s := setup(t, h)
		ids := appendAll(t, s, tenantA, plain(), plain(), plain())
		_, err := s.Acknowledge(ctx, tenantA, ids[:2])
		must(t, err)
		wantList(t, s, store.ListParams{After: store.Cursor{ID: ids[0]}}, ids[2])
		purge(t, s, tenantA, time.Now().Add(day))
		wantList(t, s, store.ListParams{After: store.Cursor{ID: ids[0]}})
	})
	t.Run("MaxBytes", func(t *testing.T) {
		ctx, s := setup(t, h)
		large := store.NewEvent{Type: "large", Payload: payloadOf(1000)}
		ids := appendAll(t, s, tenantA, large, plain(), large, large)
		wantList(t, s, store.ListParams{}, ids...)
		for _, c := range []struct {
			params store.ListParams
			want   []store.EventID
			more   bool
		}{
			{store.ListParams{MaxBytes: 1}, ids[:1], true},
			{store.ListParams{MaxBytes: 999}, ids[:1], true},
			{store.ListParams{MaxBytes: 1500}, ids[:3], true},
			{store.ListParams{MaxBytes: 1500, Type: "large"}, []store.EventID{ids[0], ids[2]}, true},
			{store.ListParams{MaxBytes: 1500, After: store.Cursor{ID: ids[1]}}, ids[2:], false},
			{store.ListParams{MaxBytes: 10_000}, ids, false},
		} {
			c.params.TenantID, c.params.Status, c.params.Limit = tenantA, store.Pending, 10
			page, err := s.List(ctx, c.params)
			must(t, err)
			wantIDs(t, page.Events, c.want...)
			if page.More != c.more {
				t.Errorf("%d bytes: more is %v", c.params.MaxBytes, page.More)
			}
		}
		wantList(t, s, store.ListParams{MaxBytes: 1}, ids...)
	})
	t.Run("LargePayloads", func(t *testing.T) {
		// What one page may hold is more than engines send at once.
		_, s := setup(t, h)
		var ids []store.EventID
		for range 7 {
			ids = append(ids, appendAll(t, s, tenantA, store.NewEvent{Payload: []byte(`{"x":"` + strings.Repeat("x", 600_000) + `"}`)})...)
		}
		wantList(t, s, store.ListParams{MaxBytes: 2 << 20}, ids...)
	})
}
