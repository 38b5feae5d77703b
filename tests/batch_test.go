package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	post := func(body string) *harness.Response { return client.Do(http.MethodPost, "/events/batch", body) }

	t.Run("Mixed", func(t *testing.T) {
		response := post(`{"events":[
			{"type":"a","payload":{ "n":1.0 },"idempotencyKey":"k"},
			{"payload":[]},
			{"type":"b","payload":{}},
			{"type":"a","payload":{ "n":1.0 },"idempotencyKey":"k"},
			{"type":"a","payload":{"n":2},"idempotencyKey":"k"},
			7, null, "x", [],
			{"payload":{},"sauce":1},
			{"payload":{},"type":""},
			{"payload":{},"idempotencyKey":""},
			{"payload":{},"idempotencyKey":"é"}
		]}`).Want(http.StatusOK)
		first, second := response.Text("results.0.id"), response.Text("results.2.id")
		for i, want := range []struct{ status, id, code, field string }{
			{"accepted", first, "", ""},
			{"rejected", "", "INVALID_PAYLOAD", "payload"},
			{"accepted", second, "", ""},
			{"duplicate", first, "", ""},
			{"duplicate", first, "IDEMPOTENCY_KEY_REUSED", "idempotencyKey"},
			{"rejected", "", "INVALID_REQUEST", ""},
			{"rejected", "", "INVALID_REQUEST", ""},
			{"rejected", "", "INVALID_REQUEST", ""},
			{"rejected", "", "INVALID_REQUEST", ""},
			{"rejected", "", "INVALID_REQUEST", "sauce"},
			{"rejected", "", "INVALID_REQUEST", "type"},
			{"rejected", "", "INVALID_REQUEST", "idempotencyKey"},
			{"rejected", "", "INVALID_REQUEST", "idempotencyKey"},
		} {
			at := fmt.Sprintf("results.%d.", i)
			if response.Value(at+"index") != float64(i) || response.Text(at+"status") != want.status || response.Text(at+"id") != want.id ||
				response.Text(at+"error.code") != want.code || response.Text(at+"error.field") != want.field {
				t.Errorf("%d: want %+v, got %v", i, want, response.Value(fmt.Sprintf("results.%d", i)))
			}
		}
		events := client.InboxAll()
		if len(events) != 2 || events[0].ID != first || events[1].ID != second ||
			string(events[0].Payload) != `{ "n":1.0 }` || events[0].IdempotencyKey != "k" {
			t.Errorf("%+v", events)
		}
	})
	t.Run("Hundred", func(t *testing.T) {
		response := post(`{"events":[` + repeat(`{"payload":{}}`, 100) + `]}`).Want(http.StatusOK)
		if response.Text("results.99.status") != "accepted" || response.Value("results.100") != nil {
			t.Errorf("%s", response.Body)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		before := len(client.InboxAll("limit", "500"))
		for body, field := range map[string]string{
			`{"events":[]}`: "events",
			`{}`:            "events",
			`{"events":{}}`: "events",
			`{"events":[` + repeat(`{"payload":{}}`, 101) + `]}`: "events",
			`{"events":[{"payload":{}}],"x":1}`:                  "x",
			`{"events":[{"payload":{}}],"events":[]}`:            "events",
		} {
			if got := post(body).WantError(http.StatusBadRequest, "INVALID_REQUEST").Text("error.field"); got != field {
				t.Errorf("%.60s: field %q, want %q", body, got, field)
			}
		}
		for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			response := client.Do(http.MethodPost, "/events/batch", `{"events":[{"payload":{}}]}`, header, "k").WantError(http.StatusBadRequest, "INVALID_REQUEST")
			if response.Text("error.field") != header {
				t.Errorf("%s", response.Body)
			}
		}
		for _, body := range []string{`{"events":[{"payload":{}}`, `{"events":[{"payload":{}},]}`, `{"events":[{"payload":{},}]}`, `{"events":[{"payload":{}}]} x`} {
			post(body).WantError(http.StatusBadRequest, "INVALID_JSON")
		}
		if after := len(client.InboxAll("limit", "500")); after != before {
			t.Errorf("%d events before, %d after", before, after)
		}
	})
}

func TestBatchSize(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{Env: []string{"MAX_PAYLOAD_BYTES=1000", "MAX_BATCH_BYTES=5000"}}).Client(t, harness.Key)
	response := client.Do(http.MethodPost, "/events/batch",
		`{"events":[`+padded(1000)+` , `+padded(1001)+","+strings.Repeat(" ", 900)+padded(1000)+`]}`).Want(http.StatusOK)
	for i, status := range []string{"accepted", "rejected", "accepted"} {
		if got := response.Text(fmt.Sprintf("results.%d.status", i)); got != status {
			t.Errorf("%d: %s, want %s: %s", i, got, status, response.Body)
		}
	}
	if response.Text("results.1.error.code") != "PAYLOAD_TOO_LARGE" {
		t.Errorf("%s", response.Body)
	}
	client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(padded(990), 5)+`]}`).Want(http.StatusOK)
	client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(padded(1000), 5)+`]}`).WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
}
