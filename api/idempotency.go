package api

import (
	"net/http"
	"strings"

	"github.com/triggers-api/triggers/gen"
)

// maxIdempotencyKey is the length of a key in bytes, quotes and escapes not counted.
const maxIdempotencyKey = 255

// idempotencyKey reads the key from whichever header carries it. replay says that a retry is to get the first answer
// again instead of 409.
func idempotencyKey(params gen.CreateEventParams) (key string, replay bool, err error) {
	switch {
	case params.IdempotencyKey != nil && params.XIdempotencyKey != nil:
		return "", false, invalid(headerIdempotencyKey, "send either Idempotency-Key or X-Idempotency-Key, not both")
	case params.XIdempotencyKey != nil:
		return *params.XIdempotencyKey, false, nil
	case params.IdempotencyKey != nil:
		key, ok := unquoteKey(*params.IdempotencyKey)
		if !ok {
			return "", false, invalid(headerIdempotencyKey,
				"header Idempotency-Key: must be 1 to 255 characters of printable ASCII, as a quoted string or bare")
		}
		return key, true, nil
	default:
		return "", false, nil
	}
}

// refuseBatchKey refuses an idempotency header on a batch, where it would promise what it cannot keep.
func refuseBatchKey(h http.Header) error {
	for _, name := range []string{headerIdempotencyKey, headerXIdempotencyKey} {
		if len(h[name]) > 0 {
			return invalid(name, "header "+name+": not for a batch; give each item an idempotencyKey of its own")
		}
	}
	return nil
}

// unquoteKey reads a key that is a string of structured fields (RFC 9651, section 3.3.3) or bare.
func unquoteKey(s string) (key string, ok bool) {
	s = strings.TrimSpace(s)
	if quoted, is := strings.CutPrefix(s, `"`); is {
		if s, ok = unescape(quoted); !ok {
			return "", false
		}
	}
	return s, s != "" && len(s) <= maxIdempotencyKey
}

// unescape reads up to the closing quote, which must be the end. Only quotes and backslashes can be escaped.
func unescape(quoted string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; c {
		case '"':
			return b.String(), i == len(quoted)-1
		case '\\':
			i++
			if i == len(quoted) || (quoted[i] != '"' && quoted[i] != '\\') {
				return "", false
			}
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// prefersAsync tells whether a Prefer header (RFC 7240) asks for respond-async.
func prefersAsync(prefer *string) bool {
	if prefer == nil {
		return false
	}
	// Commas inside quoted values do not divide.
	quoted := false
	preferences := strings.FieldsFunc(*prefer, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
	for _, preference := range preferences {
		name, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(name), "respond-async") {
			return true
		}
	}
	return false
}
