package tests

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	const (
		body  = `{"type":"t","payload":{"a":1}}`
		other = `{"type":"t","payload":{"a":2}}`
	)
	setup := func(t *testing.T) (client *harness.Client, post func(body string, headers ...string) *harness.Response) {
		t.Helper()
		client = harness.Start(t, harness.Options{}).Client(t, harness.Key)
		return client, func(body string, headers ...string) *harness.Response {
			return client.Do(http.MethodPost, "/events", body, headers...)
		}
	}
	wantOne := func(t *testing.T, client *harness.Client, id string) {
		t.Helper()
		if events := client.InboxAll(); len(events) != 1 || events[0].ID != id || events[0].IdempotencyKey != "k" {
			t.Errorf("%+v, want only %s", events, id)
		}
	}
	t.Run("IdempotencyKey", func(t *testing.T) {
		t.Parallel()
		client, post := setup(t)
		first := post(body, "Idempotency-Key", `"k"`).Want(http.StatusOK)
		if first.Header.Get("Idempotency-Replayed") != "" {
			t.Error("the first answer is marked as a replay")
		}
		for _, key := range []string{`"k"`, `k`, ` k `} {
			again := post(body, "Idempotency-Key", key).Want(http.StatusOK)
			if string(again.Body) != string(first.Body) || again.Header.Get("Idempotency-Replayed") != "true" ||
				again.Header.Get("X-Event-ID") != first.Text("id") {
				t.Errorf("%s: %s %v", key, again.Body, again.Header)
			}
		}
		reused := post(other, "Idempotency-Key", "k").WantError(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
		if reused.Text("error.eventId") != first.Text("id") {
			t.Errorf("%s", reused.Body)
		}
		post(body, "Idempotency-Key", "k", "Prefer", "respond-async").Want(http.StatusAccepted)
		wantOne(t, client, first.Text("id"))
	})
	t.Run("XIdempotencyKey", func(t *testing.T) {
		t.Parallel()
		client, post := setup(t)
		first := post(body, "X-Idempotency-Key", "k").Want(http.StatusOK).Text("id")
		for _, body := range []string{body, other} {
			again := post(body, "X-Idempotency-Key", "k").WantError(http.StatusConflict, "DUPLICATE_EVENT")
			if again.Text("error.eventId") != first || again.Header.Get("X-Event-ID") != first {
				t.Errorf("%s %v", again.Body, again.Header)
			}
		}
		wantOne(t, client, first)
	})
	t.Run("OneKeySpace", func(t *testing.T) {
		t.Parallel()
		client, post := setup(t)
		first := post(body, "Idempotency-Key", `"k"`).Want(http.StatusOK).Text("id")
		post(body, "X-Idempotency-Key", "k").WantError(http.StatusConflict, "DUPLICATE_EVENT")
		batch := client.Do(http.MethodPost, "/events/batch", `{"events":[{"type":"t","payload":{"a":1},"idempotencyKey":"k"}]}`).Want(http.StatusOK)
		if batch.Text("results.0.status") != "duplicate" || batch.Text("results.0.id") != first {
			t.Errorf("%s", batch.Body)
		}
		wantOne(t, client, first)
	})
	t.Run("Tenants", func(t *testing.T) {
		t.Parallel()
		server := harness.Start(t, harness.Options{})
		first := server.Client(t, harness.Key).Post(body, "X-Idempotency-Key", "k")
		server.Client(t, harness.OtherKey).Post(body, "X-Idempotency-Key", "k")
		again := server.Client(t, harness.SecondKey).Do(http.MethodPost, "/events", body, "X-Idempotency-Key", "k").WantError(http.StatusConflict, "DUPLICATE_EVENT")
		if again.Text("error.eventId") != first {
			t.Errorf("two API keys of one tenant do not share its idempotency keys: %s", again.Body)
		}
	})
	t.Run("AfterRestart", func(t *testing.T) {
		t.Parallel()
		server := harness.Start(t, harness.Options{})
		first := server.Client(t, harness.Key).Post(body, "Idempotency-Key", "k")
		server.Stop()
		server = harness.Start(t, harness.Options{Dir: server.Dir})
		if again := server.Client(t, harness.Key).Post(body, "Idempotency-Key", "k"); again != first {
			t.Errorf("%s, before the restart %s", again, first)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		client, post := setup(t)
		for name, headers := range map[string][]string{
			"Both":        {"Idempotency-Key", "k", "X-Idempotency-Key", "k"},
			"Twice":       {"Idempotency-Key", "k", "Idempotency-Key", "k"},
			"XTwice":      {"X-Idempotency-Key", "k", "X-Idempotency-Key", "l"},
			"EmptyString": {"Idempotency-Key", `""`},
			"Open":        {"Idempotency-Key", `"k`},
			"After":       {"Idempotency-Key", `"k" x`},
			"Escape":      {"Idempotency-Key", `"\k"`},
			"EscapedEnd":  {"Idempotency-Key", `"k\`},
			"Long":        {"Idempotency-Key", strings.Repeat("k", 256)},
			"XLong":       {"X-Idempotency-Key", strings.Repeat("k", 256)},
			"NotASCII":    {"Idempotency-Key", "k\xe9"},
			"XNotASCII":   {"X-Idempotency-Key", "ké"},
			"Tab":         {"Idempotency-Key", "a\tb"},
		} {
			t.Run(name, func(t *testing.T) {
				field := post(body, headers...).WantError(http.StatusBadRequest, "INVALID_REQUEST").Text("error.field")
				if !strings.Contains(field, "Idempotency-Key") {
					t.Errorf("field %q", field)
				}
			})
		}
		post(body, "Idempotency-Key", `"`+strings.Repeat("k", 254)+`\""`).Want(http.StatusOK)
		if events := client.InboxAll(); len(events) != 1 || events[0].IdempotencyKey != strings.Repeat("k", 254)+`"` {
			t.Errorf("%+v", events)
		}
	})
	t.Run("RefusedEventLeavesKey", func(t *testing.T) {
		t.Parallel()
		_, post := setup(t)
		post(`{"payload":[]}`, "Idempotency-Key", "k").Want(http.StatusBadRequest)
		post(body, "Idempotency-Key", "k").Want(http.StatusOK)
	})
	t.Run("Together", func(t *testing.T) {
		t.Parallel()
		for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			client, post := setup(t)
			var mu sync.Mutex
			ids, statuses := map[string]int{}, map[int]int{}
			var requests sync.WaitGroup
			for range 50 {
				requests.Go(func() {
					response := post(body, header, "k")
					mu.Lock()
					defer mu.Unlock()
					statuses[response.Status]++
					ids[response.Header.Get("X-Event-ID")]++
				})
			}
			requests.Wait()
			events := client.InboxAll()
			if len(ids) != 1 || len(events) != 1 || ids[events[0].ID] != 50 {
				t.Errorf("%s: ids %v, events %v", header, ids, harness.IDs(events))
			}
			if header == "X-Idempotency-Key" && (statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 49) {
				t.Errorf("%s: %v", header, statuses)
			}
			if header == "Idempotency-Key" && statuses[http.StatusOK] != 50 {
				t.Errorf("%s: %v", header, statuses)
			}
		}
	})
}
