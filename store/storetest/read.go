package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func testEvent(t *testing.T, h Harness) {
	ctx, s := setup(t, h)
	id := appendAll(t, s, tenantA, plain())[0]
	for name, look := range map[string]struct {
		tenant string
		id     store.EventID
	}{
		"ErrNever":       {tenantA, store.NewIDSource(id).Next()},
		"ErrZero":        {tenantA, store.EventID{}},
		"ErrOtherTenant": {tenantB, id},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Event(ctx, look.tenant, look.id)
			wantError(t, err, store.ErrNotFound)
		})
	}
}

func testList(t *testing.T, h Harness) {
	t.Run("Empty", func(t *testing.T) {
		_, s := setup(t, h)
		wantList(t, s, store.ListParams{})
	})
	t.Run("Statuses", func(t *testing.T) {
		ctx, s := setup(t, h)
		ids := appendAll(t, s, tenantA, plain(), plain(), plain(), plain())
		_, err := s.Acknowledge(ctx, tenantA, ids[1:3])
		must(t, err)
		_, err = s.Delete(ctx, tenantA, ids[2:4])
		must(t, err)
		wantList(t, s, store.ListParams{Status: store.Pending}, ids[0])
		wantList(t, s, store.ListParams{Status: store.Acknowledged}, ids[1])
		wantList(t, s, store.ListParams{Status: store.Deleted}, ids[2], ids[3])
	})
}

func testFilters(t *testing.T, h Harness) {
	_, s := setup(t, h)
	event := func(source, kind, topic string) store.NewEvent {
		return store.NewEvent{Source: source, Type: kind, Topic: topic, Payload: json.RawMessage(`{}`)}
	}
	ids := appendAll(t, s, tenantA, event("s1", "t1", "p1"), event("s1", "t2", "p1"), event("s2", "t1", "p2"), event("", "", ""))
	for name, c := range map[string]struct {
		params store.ListParams
		want   []store.EventID
	}{
		"None":         {store.ListParams{}, ids},
		"Source":       {store.ListParams{Source: "s1"}, ids[:2]},
		"Type":         {store.ListParams{Type: "t1"}, []store.EventID{ids[0], ids[2]}},
		"Topic":        {store.ListParams{Topic: "p2"}, ids[2:3]},
		"All":          {store.ListParams{Source: "s1", Type: "t1", Topic: "p1"}, ids[:1]},
		"Nothing":      {store.ListParams{Source: "s2", Type: "t2"}, nil},
		"Prefix":       {store.ListParams{Source: "s"}, nil},
		"SinceFirst":   {store.ListParams{Since: ids[0].Time()}, ids},
		"SinceFuture":  {store.ListParams{Since: time.Now().Add(time.Hour)}, nil},
		"UntilFirst":   {store.ListParams{Until: ids[0].Time()}, nil},
		"UntilFuture":  {store.ListParams{Until: time.Now().Add(time.Hour)}, ids},
		"LongAgo":      {store.ListParams{Since: time.Unix(0, 0), Until: time.Unix(1, 0)}, nil},
		"BeforeTime":   {store.ListParams{Since: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}, ids},
		"SinceCursor":  {store.ListParams{Since: ids[0].Time(), After: store.Cursor{ID: ids[1]}}, ids[2:]},
		"FilterCursor": {store.ListParams{Source: "s1", After: store.Cursor{ID: ids[0]}}, ids[1:2]},
	} {
		t.Run(name, func(t *testing.T) {
			wantList(t, s, c.params, c.want...)
			c.params.Limit = 1 // the same one by one
			wantList(t, s, c.params, c.want...)
		})
	}
	t.Run("Moments", func(t *testing.T) {
		// Since is inclusive, until exclusive, to the millisecond and below.
		_, s := setup(t, h)
		first := appendAll(t, s, tenantA, plain())[0]
		at := first.Time()
		var later store.EventID
		eventually(t, "the next millisecond", func() bool {
			later = appendAll(t, s, tenantB, plain())[0]
			return later.Time().After(at)
		})
		wantList(t, s, store.ListParams{Since: at}, first)
		wantList(t, s, store.ListParams{Since: at.Add(time.Microsecond)})
		wantList(t, s, store.ListParams{Until: at})
		wantList(t, s, store.ListParams{Until: at.Add(time.Microsecond)}, first)
	})
}
