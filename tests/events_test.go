package tests

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

var eventID = regexp.MustCompile(`^evt_[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

func TestCreateEvent(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, harness.Key)
	const body = `{"source":"billing","type":"invoice.paid","topic":"finance","payload":{"amount":4200}}`

	t.Run("OK", func(t *testing.T) {
		before := time.Now().Truncate(time.Millisecond)
		response := client.Do(http.MethodPost, "/events", body).Want(http.StatusOK)
		id := response.Text("id")
		if !eventID.MatchString(id) || response.Text("status") != "accepted" || response.Header.Get("X-Event-ID") != id {
			t.Errorf("%s %v", response.Body, response.Header)
		}
		at, err := time.Parse("2006-01-02T15:04:05.000Z", response.Text("receivedAt"))
		if err != nil || at.Before(before) || at.After(time.Now()) {
			t.Errorf("receivedAt %q: %v", response.Text("receivedAt"), err)
		}
		var event harness.Event
		client.Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK).Into(&event)
		if event.ID != id || !event.CreatedAt.Equal(at) || event.Source != "billing" || event.Type != "invoice.paid" ||
			event.Topic != "finance" || event.Status != "pending" || event.Delivered || string(event.Payload) != `{"amount":4200}` {
			t.Errorf("%+v", event)
		}
	})
	t.Run("Minimal", func(t *testing.T) {
		id := client.Post(`{"payload":{}}`)
		event := client.Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK)
		for _, name := range []string{"source", "type", "topic", "idempotencyKey", "acknowledgedAt", "deletedAt"} {
			if event.Value(name) != nil {
				t.Errorf("%s is shown though it was not given: %s", name, event.Body)
			}
		}
	})
	t.Run("Prefer", func(t *testing.T) {
		for prefer, status := range map[string]int{
			"respond-async":                    http.StatusAccepted,
			"Respond-Async":                    http.StatusAccepted,
			"wait=10, respond-async; x=1":      http.StatusAccepted,
			"return=minimal":                   http.StatusOK,
			`foo="a, respond-async, b"`:        http.StatusOK,
			`foo="a, b", respond-async`:        http.StatusAccepted,
			"respond-asynchronously, wait=100": http.StatusOK,
		} {
			response := client.Do(http.MethodPost, "/events", body, "Prefer", prefer).Want(status)
			if applied := response.Header.Get("Preference-Applied"); (applied == "respond-async") != (status == http.StatusAccepted) {
				t.Errorf("%s: Preference-Applied %q", prefer, applied)
			}
			if response.Text("status") != "accepted" || response.Header.Get("X-Event-ID") != response.Text("id") {
				t.Errorf("%s: %s", prefer, response.Body)
			}
		}
		client.Do(http.MethodPost, "/events", body, "Prefer", "wait=1", "Prefer", "respond-async").Want(http.StatusAccepted)
	})
	t.Run("ByteForByte", func(t *testing.T) {
		for _, payload := range []string{
			`{ "b":1.0,  "a" : 1E400, "n":123456789012345678901234567890 }`,
			"{\n\t\"x\": [ 1,\r\n2 ] }",
			`{"html":"<script>&'\u003c\u2028","e":"\u00e9é","half":"\ud83d","nul":"\u0000"}`,
			`{"same":1,"same":2}`,
			`{"a":` + strings.Repeat("[", 255) + strings.Repeat("]", 255) + `,"s":"` + strings.Repeat(`[{\"`, 300) + `"}`,
		} {
			id := client.Post(`{"payload":` + payload + `}`)
			want := `"payload":` + payload + `,"status"`
			if got := client.Do(http.MethodGet, "/events/"+id, ""); !strings.Contains(string(got.Body), want) {
				t.Errorf("sent %s, got %s", payload, got.Body)
			}
			if got := client.Do(http.MethodGet, "/inbox?limit=500", ""); !strings.Contains(string(got.Body), want) {
				t.Errorf("sent %s, the inbox has %s", payload, got.Body)
			}
		}
	})
	t.Run("Names", func(*testing.T) {
		for _, name := range []string{"x", strings.Repeat("x", 255), strings.Repeat("é", 255), "a b", "🙂", `q\"uote`, `\u00e9`} {
			client.Post(`{"payload":{},"source":"` + name + `","type":"` + name + `","topic":"` + name + `"}`)
		}
	})
}

func TestCreateEventRefused(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, harness.Key)

	for name, c := range map[string]struct{ body, code, field, says string }{
		"Array":            {`[]`, "INVALID_REQUEST", "", "must be a JSON object"},
		"String":           {`"x"`, "INVALID_REQUEST", "", "must be a JSON object"},
		"Null":             {`null`, "INVALID_REQUEST", "", "must be a JSON object"},
		"Blank":            {"  \n", "INVALID_JSON", "", "empty"},
		"Garbage":          {`hello`, "INVALID_JSON", "", "not valid JSON"},
		"Cut":              {`{"payload":{}`, "INVALID_JSON", "", "not valid JSON"},
		"CutPayload":       {`{"payload":{"a":`, "INVALID_JSON", "", "not valid JSON"},
		"Trailing":         {`{"payload":{}} {}`, "INVALID_JSON", "", "after the end"},
		"TrailingComma":    {`{"payload":{},}`, "INVALID_JSON", "", "not valid JSON"},
		"Comment":          {`{"payload":{}/**/}`, "INVALID_JSON", "", "not valid JSON"},
		"LeadingZero":      {`{"payload":{"a":01}}`, "INVALID_JSON", "", "not valid JSON"},
		"ControlInPayload": {"{\"payload\":{\"a\":\"\x01\"}}", "INVALID_JSON", "", "not valid JSON"},
		"UTF8":             {"{\"payload\":{\"a\":\"\xff\"}}", "INVALID_JSON", "", "UTF-8"},
		"BOM":              {"\ufeff{\"payload\":{}}", "INVALID_JSON", "", "not valid JSON"},
		"Deep":             {`{"payload":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`, "INVALID_JSON", "", "not valid JSON"},
		"Nested":           {`{"payload":{"a":` + strings.Repeat("[", 256) + strings.Repeat("]", 256) + `}}`, "INVALID_PAYLOAD", "payload", "256 levels"},
		"NoPayload":        {`{}`, "INVALID_PAYLOAD", "payload", "required"},
		"PayloadArray":     {`{"payload":[]}`, "INVALID_PAYLOAD", "payload", "must be an object"},
		"PayloadString":    {`{"payload":"{}"}`, "INVALID_PAYLOAD", "payload", "must be an object"},
		"PayloadNumber":    {`{"payload":1}`, "INVALID_PAYLOAD", "payload", "must be an object"},
		"PayloadBool":      {`{"payload":false}`, "INVALID_PAYLOAD", "payload", "must be an object"},
		"PayloadNull":      {`{"payload":null}`, "INVALID_PAYLOAD", "payload", "must be an object"},
		"PayloadTwice":     {`{"payload":{},"payload":{}}`, "INVALID_REQUEST", "payload", "more than once"},
		"Unknown":          {`{"payload":{},"sauce":"x"}`, "INVALID_REQUEST", "sauce", `unknown field "sauce"`},
		"Case":             {`{"Payload":{}}`, "INVALID_REQUEST", "Payload", "unknown field"},
		"Key":              {`{"payload":{},"idempotencyKey":"k"}`, "INVALID_REQUEST", "idempotencyKey", "unknown field"},
		"SourceEmpty":      {`{"payload":{},"source":""}`, "INVALID_REQUEST", "source", "must not be empty"},
		"TypeLong":         {`{"payload":{},"type":"` + strings.Repeat("é", 256) + `"}`, "INVALID_REQUEST", "type", "at most 255 characters"},
		"TopicNumber":      {`{"payload":{},"topic":1}`, "INVALID_REQUEST", "topic", "must be a string"},
		"TopicNull":        {`{"payload":{},"topic":null}`, "INVALID_REQUEST", "topic", "must be a string"},
		"SourceObject":     {`{"payload":{},"source":{}}`, "INVALID_REQUEST", "source", "must be a string"},
		"SourceArray":      {`{"payload":{},"source":["a"]}`, "INVALID_REQUEST", "source", "must be a string"},
		"SourceTrue":       {`{"payload":{},"source":true}`, "INVALID_REQUEST", "source", "must be a string"},
		"SourceNewline":    {`{"payload":{},"source":"a\nb"}`, "INVALID_REQUEST", "source", "control characters"},
		"SourceNUL":        {`{"payload":{},"source":"a\u0000"}`, "INVALID_REQUEST", "source", "control characters"},
		"SourceC1":         {`{"payload":{},"source":"a\u0085"}`, "INVALID_REQUEST", "source", "control characters"},
		"SourceHalf":       {`{"payload":{},"source":"\ud800"}`, "INVALID_REQUEST", "source", "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			client := client.In(t)
			response := client.Do(http.MethodPost, "/events", c.body).WantError(http.StatusBadRequest, c.code)
			if response.Text("error.field") != c.field || !strings.Contains(response.Text("error.message"), c.says) {
				t.Errorf("%s", response.Body)
			}
			if response.Text("error.requestId") != response.Header.Get("X-Request-ID") {
				t.Errorf("%s %v", response.Body, response.Header)
			}
		})
	}
	t.Run("Empty", func(*testing.T) {
		client.Do(http.MethodPost, "/events", "", "Content-Type", "application/json").WantError(http.StatusBadRequest, "INVALID_JSON")
	})
	t.Run("Query", func(t *testing.T) {
		response := client.Do(http.MethodPost, "/events?dry=1", `{"payload":{}}`).WantError(http.StatusBadRequest, "INVALID_REQUEST")
		if response.Text("error.field") != "dry" {
			t.Errorf("%s", response.Body)
		}
	})
	t.Run("NothingStored", func(t *testing.T) {
		if page := client.Inbox(); len(page.Events) > 0 {
			t.Errorf("refused, and yet stored: %+v", page.Events)
		}
	})
}

func TestGetEvent(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client, other := server.Client(t, harness.Key), server.Client(t, harness.OtherKey)
	id := client.Post(`{"payload":{}}`)

	client.Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK)
	server.Client(t, harness.SecondKey).Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK)
	never := other.Do(http.MethodGet, "/events/evt_01K9S5Q980EZGSYJVD17502ECG", "").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
	theirs := other.Do(http.MethodGet, "/events/"+id, "").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
	if never.Text("error.message") != theirs.Text("error.message") || theirs.Value("error.eventId") != nil {
		t.Errorf("another tenant's event can be told from one that never was:\n%s\n%s", theirs.Body, never.Body)
	}
	for _, malformed := range []string{"x", "evt_", strings.ToLower(id), id + "0", "sub" + id[3:], "%00", "evt_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "..%2Finbox"} {
		client.Do(http.MethodGet, "/events/"+malformed, "").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
	}
}
