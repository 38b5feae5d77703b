package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestAcknowledgeAndDelete(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client, other := server.Client(t, harness.Key), server.Client(t, harness.OtherKey)
	get := func(t *testing.T, id string) (e harness.Event) {
		t.Helper()
		client.Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK).Into(&e)
		return e
	}
	ack := func(client *harness.Client, id string) *harness.Response {
		return client.Do(http.MethodPost, "/inbox/"+id+"/ack", "")
	}
	remove := func(client *harness.Client, id string) *harness.Response {
		return client.Do(http.MethodDelete, "/inbox/"+id, "")
	}
	wantState := func(t *testing.T, response *harness.Response, id, status string) {
		t.Helper()
		if want := fmt.Sprintf(`{"id":%q,"status":%q}`, id, status); strings.TrimSpace(string(response.Want(http.StatusOK).Body)) != want {
			t.Errorf("%s, want %s", response.Body, want)
		}
	}
	const body = `{"source":"s","type":"t","topic":"p","payload":{"card":"4111"}}`

	t.Run("Acknowledge", func(t *testing.T) {
		id := client.Post(body)
		wantState(t, ack(client, id), id, "acknowledged")
		first := get(t, id)
		if first.Status != "acknowledged" || !first.Delivered || first.AcknowledgedAt == nil || first.AcknowledgedAt.Before(first.CreatedAt) {
			t.Errorf("%+v", first)
		}
		wantState(t, ack(client, id), id, "acknowledged")
		if again := get(t, id); !again.AcknowledgedAt.Equal(*first.AcknowledgedAt) {
			t.Errorf("acknowledging again moved the time from %s to %s", first.AcknowledgedAt, again.AcknowledgedAt)
		}
	})
	t.Run("Delete", func(t *testing.T) {
		id := client.Post(body, "X-Idempotency-Key", "secret-in-a-key")
		wantState(t, remove(client, id), id, "deleted")
		first := get(t, id)
		if first.Status != "deleted" || first.Delivered || first.DeletedAt == nil || string(first.Payload) != "{}" ||
			first.IdempotencyKey != "" || first.Source != "s" || first.Type != "t" || first.Topic != "p" {
			t.Errorf("%+v", first)
		}
		wantState(t, remove(client, id), id, "deleted")
		if again := get(t, id); !again.DeletedAt.Equal(*first.DeletedAt) {
			t.Errorf("deleting again moved the time")
		}
		refused := ack(client, id).WantError(http.StatusConflict, "EVENT_DELETED")
		if refused.Text("error.eventId") != id {
			t.Errorf("%s", refused.Body)
		}
	})
	t.Run("DeleteAcknowledged", func(t *testing.T) {
		id := client.Post(body)
		wantState(t, ack(client, id), id, "acknowledged")
		wantState(t, remove(client, id), id, "deleted")
		if e := get(t, id); e.AcknowledgedAt == nil || e.DeletedAt == nil || string(e.Payload) != "{}" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		id := client.Post(body)
		for _, do := range []func(*harness.Client, string) *harness.Response{ack, remove} {
			theirs := do(other, id).WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
			never := do(other, "evt_01K9S5Q980EZGSYJVD17502ECG").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
			do(other, "nonsense").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
			strip := func(r *harness.Response) string {
				return strings.ReplaceAll(string(r.Body), r.Header.Get("X-Request-ID"), "")
			}
			if strip(theirs) != strip(never) {
				t.Errorf("another tenant's event can be told from one that never was: %s, %s", theirs.Body, never.Body)
			}
		}
		if e := get(t, id); e.Status != "pending" || string(e.Payload) != `{"card":"4111"}` {
			t.Errorf("another tenant changed it: %+v", e)
		}
	})
}

func TestBulkAcknowledge(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, harness.Key)
	ack := func(body string) *harness.Response { return client.Do(http.MethodPost, "/inbox/ack", body) }

	t.Run("Mixed", func(t *testing.T) {
		pending, deleted := client.Post(`{"payload":{}}`), client.Post(`{"payload":{}}`)
		theirs := server.Client(t, harness.OtherKey).Post(`{"payload":{}}`)
		client.Do(http.MethodDelete, "/inbox/"+deleted, "").Want(http.StatusOK)
		ids := []string{pending, deleted, theirs, "nonsense", pending}
		body := `{"ids":["` + strings.Join(ids, `","`) + `"]}`
		for range 2 { // again answers the same
			response := ack(body).Want(http.StatusOK)
			for i, want := range []struct{ status, code string }{
				{"acknowledged", ""}, {"deleted", "EVENT_DELETED"}, {"not_found", "EVENT_NOT_FOUND"}, {"not_found", "EVENT_NOT_FOUND"}, {"acknowledged", ""},
			} {
				at := fmt.Sprintf("results.%d.", i)
				if response.Text(at+"id") != ids[i] || response.Text(at+"status") != want.status || response.Text(at+"error.code") != want.code {
					t.Errorf("%d: want %+v, got %s", i, want, response.Body)
				}
			}
		}
		if page := client.Inbox(); len(page.Events) > 0 {
			t.Errorf("still in the inbox: %+v", page.Events)
		}
		if page := server.Client(t, harness.OtherKey).Inbox(); len(page.Events) != 1 {
			t.Errorf("the other tenant's event was touched: %+v", page.Events)
		}
	})
	t.Run("Many", func(t *testing.T) {
		for range 5 {
			client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(`{"payload":{}}`, 100)+`]}`).Want(http.StatusOK)
		}
		page := client.Inbox("limit", "500")
		if len(page.Events) != 500 {
			t.Fatalf("%d events on the page", len(page.Events))
		}
		response := ack(`{"ids":["` + strings.Join(harness.IDs(page.Events), `","`) + `"]}`).Want(http.StatusOK)
		if response.Text("results.499.status") != "acknowledged" || len(client.Inbox().Events) > 0 {
			t.Errorf("%.500s", response.Body)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		for body, field := range map[string]string{
			`{}`:                                   "ids",
			`{"ids":[]}`:                           "ids",
			`{"ids":"x"}`:                          "ids",
			`{"ids":[1]}`:                          "ids.0",
			`{"ids":["x",{}]}`:                     "ids.1",
			`{"ids":[""]}`:                         "ids.0",
			`{"ids":["x"],"all":true}`:             "all",
			`{"ids":[` + repeat(`"x"`, 501) + `]}`: "ids",
		} {
			if got := ack(body).WantError(http.StatusBadRequest, "INVALID_REQUEST").Text("error.field"); got != field {
				t.Errorf("%.40s: field %q, want %q", body, got, field)
			}
		}
		ack(`{"ids":["x"`).WantError(http.StatusBadRequest, "INVALID_JSON")
		ack(`{"ids":["x"]}`+strings.Repeat(" ", 200_000)).WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
	})
}
