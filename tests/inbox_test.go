package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestInbox(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, harness.Key)
	var ids []string
	for i := range 12 {
		ids = append(ids, client.Post(fmt.Sprintf(`{"source":"s%d","type":"t%d","topic":"p%d","payload":{"i":%d}}`, i%2, i%3, i%4, i)))
	}

	t.Run("Order", func(t *testing.T) {
		if got := harness.IDs(client.Inbox().Events); !slices.Equal(got, ids) {
			t.Errorf("%v, want %v", got, ids)
		}
		if cursor := client.Inbox().NextCursor; cursor != nil {
			t.Errorf("the last page has a cursor: %s", *cursor)
		}
	})
	t.Run("Pages", func(t *testing.T) {
		for _, limit := range []string{"1", "5", "12", "13"} {
			if got := harness.IDs(client.InboxAll("limit", limit)); !slices.Equal(got, ids) {
				t.Errorf("limit %s: %v, want %v", limit, got, ids)
			}
		}
		page := client.Inbox("limit", "5")
		last := page.Events[4]
		if want := last.CreatedAt.Format("2006-01-02T15:04:05.000Z") + "|" + last.ID; *page.NextCursor != want {
			t.Errorf("nextCursor %s, want %s", *page.NextCursor, want)
		}
	})
	t.Run("Filters", func(t *testing.T) {
		for query, want := range map[string][]string{
			"source=s1":                       {ids[1], ids[3], ids[5], ids[7], ids[9], ids[11]},
			"type=t2":                         {ids[2], ids[5], ids[8], ids[11]},
			"topic=p0":                        {ids[0], ids[4], ids[8]},
			"source=s1&type=t2&topic=p3":      {ids[11]},
			"source=none":                     {},
			"status=pending&topic=p0&limit=2": {ids[0], ids[4]},
			"status=acknowledged":             {},
			"status=deleted":                  {},
		} {
			var page harness.Page
			client.Do(http.MethodGet, "/inbox?"+query, "").Want(http.StatusOK).Into(&page)
			if got := harness.IDs(page.Events); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
	})
	t.Run("Times", func(t *testing.T) {
		events := client.Inbox().Events
		first, last := events[0].CreatedAt, events[len(events)-1].CreatedAt
		in := func(at time.Time, hours int) string {
			return at.In(time.FixedZone("", hours*3600)).Format(time.RFC3339Nano)
		}
		for _, c := range []struct {
			params []string
			keep   func(time.Time) bool
		}{
			{[]string{"since", in(first, 0)}, func(at time.Time) bool { return !at.Before(first) }},
			{[]string{"since", in(last, 2)}, func(at time.Time) bool { return !at.Before(last) }},
			{[]string{"until", in(last, -7)}, func(at time.Time) bool { return at.Before(last) }},
			{[]string{"until", "0001-01-01T00:00:00Z"}, func(time.Time) bool { return false }},
			{[]string{"since", "0001-01-01T00:00:00Z"}, func(time.Time) bool { return true }},
			{[]string{"until", in(first, 0)}, func(at time.Time) bool { return at.Before(first) }},
			{[]string{"since", in(first, 0), "until", in(last, 0)}, func(at time.Time) bool { return !at.Before(first) && at.Before(last) }},
			{[]string{"since", in(last.Add(time.Nanosecond), 0)}, func(at time.Time) bool { return at.After(last) }},
		} {
			want := []string{}
			for _, e := range events {
				if c.keep(e.CreatedAt) {
					want = append(want, e.ID)
				}
			}
			if got := harness.IDs(client.Inbox(c.params...).Events); !slices.Equal(got, want) {
				t.Errorf("%v: %v, want %v", c.params, got, want)
			}
		}
	})
	t.Run("Tenants", func(t *testing.T) {
		if page := server.Client(t, harness.OtherKey).Inbox(); len(page.Events) > 0 {
			t.Errorf("another tenant sees %+v", page.Events)
		}
		if got := harness.IDs(server.Client(t, harness.SecondKey).Inbox().Events); !slices.Equal(got, ids) {
			t.Errorf("another key of the tenant sees %v", got)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		client := client.In(t)
		for query, field := range map[string]string{
			"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limit=1.5": "limit", "limit=": "limit", "limit=-1": "limit",
			"limit=99999999999999999999":       "limit",
			"limit=1&limit=2":                  "limit",
			"since=yesterday":                  "since",
			"since=2025-11-11":                 "since",
			"since=2025-11-11T00:00:00":        "since",
			"since=2025-11-11T00:00:00+02:00":  "since", // the plus is a space in a URL
			"until=2025-13-11T00:00:00Z":       "until",
			"until=2025-02-30T00:00:00Z":       "until",
			"status=open":                      "status",
			"status=":                          "status",
			"topic=":                           "topic",
			"type=" + strings.Repeat("x", 256): "type",
			"source=a%0Ab":                     "source",
			"cursor=":                          "cursor",
			"cursor=x":                         "cursor",
			"cursor=" + url.QueryEscape("2025-11-11T00:00:00Z|"+ids[0]): "cursor",
			"cursor=" + ids[0]:              "cursor",
			"page=2":                        "page",
			"Limit=2":                       "Limit",
			"status=pending&status=deleted": "status",
		} {
			response := client.Do(http.MethodGet, "/inbox?"+query, "").WantError(http.StatusBadRequest, "INVALID_REQUEST")
			if response.Text("error.field") != field || !strings.Contains(response.Text("error.message"), `"`+field+`"`) {
				t.Errorf("%s: %s", query, response.Body)
			}
		}
		for _, malformed := range []string{"limit=%zz", "limit=1;status=pending"} {
			client.Do(http.MethodGet, "/inbox?"+malformed, "").WantError(http.StatusBadRequest, "INVALID_REQUEST")
		}
	})
}

// A reader that follows cursors sees each event once, although others acknowledge, delete and send meanwhile.
func TestInboxCursorStaysValid(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	var ids []string
	for range 9 {
		ids = append(ids, client.Post(`{"payload":{}}`))
	}
	first := client.Inbox("limit", "3")
	for _, id := range ids[:4] { // the cursor's own event and the one after it
		client.Do(http.MethodPost, "/inbox/"+id+"/ack", "").Want(http.StatusOK)
	}
	client.Do(http.MethodDelete, "/inbox/"+ids[2], "").Want(http.StatusOK)
	last := client.Post(`{"payload":{}}`)
	rest := client.Inbox("cursor", *first.NextCursor)
	if got, want := harness.IDs(rest.Events), append(slices.Clone(ids[4:]), last); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := harness.IDs(client.Inbox("status", "acknowledged").Events); !slices.Equal(got, []string{ids[0], ids[1], ids[3]}) {
		t.Errorf("acknowledged: %v", got)
	}
	if got := harness.IDs(client.Inbox("status", "deleted").Events); !slices.Equal(got, ids[2:3]) {
		t.Errorf("deleted: %v", got)
	}
}

// A page of large payloads is cut short, and says that there is more.
func TestInboxLargePages(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	const n = 20
	for range n {
		client.Post(padded(500_000))
	}
	page := client.Inbox("limit", "500")
	if len(page.Events) >= n || page.NextCursor == nil {
		t.Errorf("a page of %d events of half a megabyte each", len(page.Events))
	}
	if got := len(client.InboxAll("limit", "500")); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}
