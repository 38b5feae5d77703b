package dynamodb_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
)

// A mistake of this program's is not taken for an engine that is away, and its message, which may quote what was sent,
// stays out of the error.
func TestErrors(t *testing.T) {
	t.Parallel()
	reason := func(reasons string) string { return `,"CancellationReasons":[` + reasons + `]` }
	const (
		mistake = iota
		unavailable
		schema
	)
	for name, c := range map[string]struct {
		code, more string
		want       int
	}{
		"Invalid":        {"ValidationException", "", mistake},
		"Serialization":  {"SerializationException", "", mistake},
		"InvalidPart":    {"TransactionCanceledException", reason(`{"Code":"ValidationError","Message":"made up"},{"Code":"None"}`), mistake},
		"NoTable":        {"ResourceNotFoundException", "", schema},
		"Denied":         {"AccessDeniedException", "", unavailable},
		"NoCredentials":  {"UnrecognizedClientException", "", unavailable},
		"ExpiredToken":   {"ExpiredTokenException", "", unavailable},
		"BadSignature":   {"InvalidSignatureException", "", unavailable},
		"NoReasons":      {"TransactionCanceledException", "", unavailable},
		"TooFewReasons":  {"TransactionCanceledException", reason(`{"Code":"ConditionalCheckFailed"}`), unavailable},
		"NobodysReasons": {"TransactionCanceledException", reason(`{"Code":"None"},{"Code":"Unheard"}`), unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			p := newProxy(t)
			opts.Endpoint = p.URL
			s := open(t, opts)
			p.set(only("TransactWriteItems", refuse(http.StatusBadRequest, c.code, c.more)))
			_, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{"secret":1}`, "topsecret")})
			if err == nil || !strings.HasPrefix(err.Error(), "dynamodb: ") || strings.Contains(err.Error(), "secret") {
				t.Fatal(err)
			}
			if errors.Is(err, store.ErrUnavailable) != (c.want != mistake) || errors.Is(err, store.ErrSchema) != (c.want == schema) {
				t.Error(err)
			}
			if c.want == mistake && strings.Contains(err.Error(), "made up") {
				t.Error(err)
			}
		})
	}
}

// TTL that cannot be enabled is said to be so.
func TestTTLCannotBeEnabled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, detail string
		want         error
	}{
		"Denied":  {"AccessDeniedException", "may not be by this role", store.ErrSchema},
		"TooSoon": {"ValidationException", "cannot be enabled", store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			p := newProxy(t)
			opts.Endpoint = p.URL
			p.set(only("UpdateTimeToLive", refuse(http.StatusBadRequest, c.code, "")))
			if _, _, err := dynamodb.Migrate(t.Context(), opts); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.detail) {
				t.Error(err)
			}
			s, err := dynamodb.Open(t.Context(), opts)
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, c.want) {
				t.Error(err)
			}
			p.set(nil)
			open(t, opts)
		})
	}
}
