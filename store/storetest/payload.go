package storetest

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/store"
)

// maxPayload is the largest payload that the server is ever set to take.
const maxPayload = 1 << 20

// payloadOf is a JSON object of exactly so many bytes, which do not compress well.
func payloadOf(size int) json.RawMessage {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
	random := rand.New(rand.NewPCG(1, uint64(size)))
	payload := make([]byte, 0, size)
	payload = append(payload, `{"x":"`...)
	for len(payload) < size-len(`"}`) {
		payload = append(payload, digits[random.IntN(len(digits))])
	}
	return append(payload, `"}`...)
}

func testPayload(t *testing.T, h Harness) {
	t.Run("Bytes", func(t *testing.T) {
		ctx, s := setup(t, h)
		var ids []store.EventID
		payloads := []string{
			`{}`,
			`  {  }  `,
			`{ "b" : 1 , "a" : 2 , "b" : 3 }`,
			"{\n\t\"a\": [ ]\r\n}",
			`{"n":1.0,"e":1E400,"big":123456789012345678901234567890,"z":-0}`,
			`{"escapes":"\u00e9\u0000\u0007\u007f\ud83d\ude00 \/\"\\"}`,
			`{"surrogates":"\ud800 \udfff \ude00\ud83d"}`,
			`{"\u0000":"\u0000"}`,
			"{\"raw\":\"é😀 \u2028\u2029\u202e\ufdd0\ufffe\uffff\ufeff\U0010ffff e\u0301\"}",
			"{\"delete\":\"\x7f\"}",
			`{"html":"<a href='x'>&amp;</a>"}`,
			`{"sql":"'; DROP TABLE events; -- $1 ? %s \\x00"}`,
			`{"deep":` + strings.Repeat("[", 255) + strings.Repeat("]", 255) + `}`,
			`{"long":"` + strings.Repeat("x", 300_000) + `"}`,
		}
		for _, payload := range payloads {
			ids = append(ids, appendAll(t, s, tenantA, store.NewEvent{Payload: json.RawMessage(payload)})...)
		}
		wantList(t, s, store.ListParams{}, ids...)
		for i, listed := range list(t, s, store.ListParams{}) {
			got, err := s.Event(ctx, tenantA, listed.ID)
			must(t, err)
			if want := payloads[i]; string(got.Payload) != want || string(listed.Payload) != want {
				t.Errorf("sent %.80q, got %.80q, listed %.80q", want, got.Payload, listed.Payload)
			}
		}
	})
	t.Run("Large", func(t *testing.T) {
		ctx, s := setup(t, h)
		for _, size := range []int{64 << 10, 399_000, 400 << 10, 512 << 10, maxPayload} {
			for _, key := range []string{"", "k"} {
				payload := payloadOf(size)
				tenant := tenantA + key + string(rune('a'+size%17))
				id := appendAll(t, s, tenant, store.NewEvent{Payload: payload, IdempotencyKey: key})[0]
				got, err := s.Event(ctx, tenant, id)
				must(t, err)
				if string(got.Payload) != string(payload) {
					t.Errorf("%d bytes came back as %d others", len(payload), len(got.Payload))
				}
			}
		}
	})
	t.Run("LargeBatch", func(t *testing.T) {
		// More than any engine stores at once.
		_, s := setup(t, h)
		var events []store.NewEvent
		for i := range 8 {
			events = append(events, store.NewEvent{Payload: payloadOf(700_000 + i)})
		}
		ids := appendAll(t, s, tenantA, events...)
		wantList(t, s, store.ListParams{Limit: 3}, ids...)
		for i, e := range list(t, s, store.ListParams{Limit: 5}) {
			if string(e.Payload) != string(events[i].Payload) {
				t.Errorf("payload %d is another one", i)
			}
		}
	})
}
