package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/triggers-api/triggers/gen"
)

func mustContract(tb testing.TB) *openapi3.T {
	tb.Helper()
	contract, err := gen.Contract()
	if err != nil {
		tb.Fatal(err)
	}
	return contract
}

// FuzzCreateEvent compares the decoder, which reads a body once and judges what it met, with the slow way: decode
// everything, then have the schema judge all of it.
func FuzzCreateEvent(f *testing.F) {
	for _, seed := range []string{
		`{"payload":{}}`, `{"source":"s","type":"t","topic":"p","payload":{"a":[1,2,{"b":null}]}}`, `{"payload":{},"x":1}`,
		`{"payload":{"a":"\ud800"},"source":"\ud800"}`, `{"payload":[]}`, `[]`, ``, `{"payload":{}}{}`, `{"payload":{},"payload":{}}`,
		` { "payload" : { } } `, `{"source":"é\u00e9","payload":{"n":1e400}}`, "{\"payload\":{\"\xff\":1}}", `{"p\u0061yload":{}}`,
	} {
		f.Add([]byte(seed))
	}
	schema := operations(mustContract(f))["createEvent"].body
	f.Fuzz(func(t *testing.T, body []byte) {
		var got gen.NewEvent
		err := bindEvent(body, schema, &got)
		if err != nil {
			if p, ok := errors.AsType[*problem](err); !ok || p.status != 400 {
				t.Fatalf("%q: %v", body, err)
			}
		}
		want, ok := slowly(body, schema)
		if !ok && err == nil {
			t.Fatalf("%q was accepted", body)
		}
		if ok && err != nil && !legitimately(body) {
			t.Fatalf("%q was refused: %v", body, err)
		}
		if err != nil {
			return
		}
		if value(got.Source) != want.Source || value(got.Type) != want.Type || value(got.Topic) != want.Topic ||
			!bytes.Equal(got.Payload, want.Payload) {
			t.Fatalf("%q: %+v, want %+v", body, got, want)
		}
	})
}

type slowEvent struct {
	Source, Type, Topic string
	Payload             json.RawMessage
}

func slowly(body []byte, schema *openapi3.Schema) (e slowEvent, ok bool) {
	var fields map[string]any
	if !utf8.Valid(body) || !json.Valid(body) {
		return e, false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // a payload may have numbers that fit no float
	if decoder.Decode(&fields) != nil || fields == nil {
		return e, false
	}
	if schema.VisitJSON(fields) != nil || tooDeep(body) {
		return e, false
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(body, &raw) != nil {
		return e, false
	}
	e.Source, _ = fields["source"].(string)
	e.Type, _ = fields["type"].(string)
	e.Topic, _ = fields["topic"].(string)
	e.Payload = raw["payload"]
	return e, true
}

// legitimately tells whether a body that encoding/json takes may be refused all the same: names that come twice, and
// half surrogate pairs, which encoding/json replaces.
func legitimately(body []byte) bool {
	return bytes.Contains(body, []byte(`\u`)) || bytes.Contains(body, []byte(`\U`)) || repeats(body)
}

func repeats(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if _, err := decoder.Token(); err != nil {
		return true
	}
	seen := map[string]bool{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return true
		}
		text, _ := name.(string)
		if seen[text] {
			return true
		}
		seen[text] = true
		var skip json.RawMessage
		if decoder.Decode(&skip) != nil {
			return true
		}
	}
	return false
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"events":[{"payload":{}},{"payload":1},3,{"payload":{},"idempotencyKey":"k"}]}`))
	f.Add([]byte(`{"events":[]}`))
	f.Add([]byte(`{"events":[{"payload":{"a":"b"}} , {"x":[]}],"y":1}`))
	op := operations(mustContract(f))[batchOperation]
	f.Fuzz(func(t *testing.T, body []byte) {
		var got gen.NewEventBatch
		rejected, err := bindBatch(body, op, 100, &got)
		if err != nil {
			if p, ok := errors.AsType[*problem](err); !ok || p.status != 400 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if n := len(got.Events); n < 1 || n > 100 || !json.Valid(body) {
			t.Fatalf("%q: %d events", body, n)
		}
		for i, e := range got.Events {
			if rejected[i] == nil && (!json.Valid(e.Payload) || e.Payload[0] != '{' || len(e.Payload) > 100) {
				t.Fatalf("%q: item %d was accepted with the payload %q", body, i, e.Payload)
			}
		}
	})
}

func FuzzIDs(f *testing.F) {
	f.Add([]byte(`{"ids":["evt_01K9S5Q980EZGSYJVD17502ECG","x"]}`))
	f.Add([]byte(`{"ids":[1]}`))
	schema := operations(mustContract(f))["acknowledgeEvents"].body
	f.Fuzz(func(t *testing.T, body []byte) {
		var got gen.EventIDs
		if err := bindIDs(body, schema, &got); err != nil {
			return
		}
		if n := len(got.IDs); n < 1 || n > 500 || !json.Valid(body) {
			t.Fatalf("%q: %d ids", body, n)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{`"k"`, `k`, `""`, `"a\"b\\c"`, `"open`, `"a" b`, `a"b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, ok := unquoteKey(header)
		if !ok {
			return
		}
		if key == "" || len(key) > maxIdempotencyKey {
			t.Fatalf("%q gave the key %q", header, key)
		}
		quoted := bytes.ReplaceAll(bytes.ReplaceAll([]byte(key), []byte(`\`), []byte(`\\`)), []byte(`"`), []byte(`\"`))
		if again, ok := unquoteKey(`"` + string(quoted) + `"`); !ok || again != key {
			t.Fatalf("%q gave the key %q, and that in quotes %q", header, key, again)
		}
	})
}

func FuzzRequestID(f *testing.F) {
	f.Add("abc-123")
	f.Add("a b")
	f.Fuzz(func(t *testing.T, id string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Request-Id"] = []string{id}
		if got := requestID(r); got == "" || len(got) > maxRequestID || strings.ContainsAny(got, "\r\n\" <>") {
			t.Fatalf("%q gave %q", id, got)
		}
	})
}

func FuzzPresentedKey(f *testing.F) {
	f.Add("Bearer k", "k")
	f.Add("Basic x", "")
	f.Fuzz(func(t *testing.T, authorization, plain string) {
		h := http.Header{"Authorization": {authorization}, "X-Api-Key": {plain}}
		if key, err := presentedKey(h); err == nil && (key == "" || key != plain && plain != "") {
			t.Fatalf("%q and %q gave %q", authorization, plain, key)
		}
	})
}

func FuzzGzipBody(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", jsonType)
		r.Header.Set("Content-Encoding", "gzip")
		const limit = 1000
		inflated, err := readBody(r, limit)
		if p, ok := errors.AsType[*problem](err); err != nil && (!ok || p.status != http.StatusBadRequest) || len(inflated) > limit {
			t.Fatalf("%d bytes, %v", len(inflated), err)
		}
	})
}

func FuzzPrefer(f *testing.F) {
	f.Add("respond-async")
	f.Add("wait=1, RESPOND-ASYNC;x=y")
	f.Fuzz(func(_ *testing.T, header string) { prefersAsync(&header) })
}
