package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// logged returns the line of the request with the given id.
func logged(t *testing.T, server *harness.Server, requestID string) (line map[string]any) {
	t.Helper()
	harness.Eventually(t, 10*time.Second, "the request's log line", func() error {
		for _, l := range server.LogLines() {
			if l["requestId"] == requestID {
				line = l
				return nil
			}
		}
		return fmt.Errorf("no line for %s", requestID)
	})
	return line
}

func TestLog(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: []string{"DEBUG=true"}})
	client := server.Client(t, harness.Key)
	t.Run("Fields", func(t *testing.T) {
		response := client.Do(http.MethodPost, "/events", `{"payload":{}}`).Want(http.StatusOK)
		line := logged(t, server, response.Header.Get("X-Request-ID"))
		for name, want := range map[string]any{
			"level": "INFO", "tenantId": "tenant_a", "method": "POST", "path": "/events", "status": 200.0, "operation": "createEvent",
		} {
			if line[name] != want {
				t.Errorf("%s: %v, want %v", name, line[name], want)
			}
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", fmt.Sprint(line["timestamp"])); err != nil {
			t.Error(err)
		}
		if ms, ok := line["durationMs"].(float64); !ok || ms <= 0 {
			t.Errorf("durationMs: %v", line["durationMs"])
		}
	})
	t.Run("Errors", func(t *testing.T) {
		for path, want := range map[string][2]any{
			"/nope":          {404.0, "NOT_FOUND"},
			"/inbox?limit=x": {400.0, "INVALID_REQUEST"},
			"/events/x":      {404.0, "EVENT_NOT_FOUND"},
		} {
			response := client.Do(http.MethodGet, path, "")
			line := logged(t, server, response.Header.Get("X-Request-ID"))
			if line["status"] != want[0] || line["code"] != want[1] {
				t.Errorf("%s: %v", path, line)
			}
		}
	})
	t.Run("NoSecrets", func(t *testing.T) {
		const secret = "s3cret-of-a-customer"
		client.Do(http.MethodPost, "/events", `{"payload":{"card":"`+secret+`"}}`, "Idempotency-Key", secret).Want(http.StatusOK)
		client.Do(http.MethodPost, "/events", `{"payload":{"card":"`+secret+`"`).Want(http.StatusBadRequest)
		client.Do(http.MethodPost, "/events", `{"payload":{},"type":["`+secret+`"]}`).Want(http.StatusBadRequest)
		client.Do(http.MethodPost, "/events", `{"payload":{},"type":"`+secret+`\n"}`).Want(http.StatusBadRequest)
		client.Do(http.MethodGet, "/inbox?limit="+secret, "").Want(http.StatusBadRequest)
		client.Do(http.MethodGet, "/inbox?cursor="+secret, "").Want(http.StatusBadRequest)
		client.Do(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+secret).Want(http.StatusUnauthorized)
		client.Do(http.MethodGet, "/inbox?"+secret+"=1", "").Want(http.StatusBadRequest)
		client.Do(http.MethodPost, "/events", `{"`+secret+`":{}}`).Want(http.StatusBadRequest)
		last := client.Do(http.MethodGet, "/inbox?status="+secret, "").Want(http.StatusBadRequest)
		logged(t, server, last.Header.Get("X-Request-ID"))
		for _, hidden := range []string{secret, harness.Key} {
			if log := server.Log() + server.Stderr(); strings.Contains(log, hidden) {
				t.Errorf("%q is in the log:\n%s", hidden, log)
			}
		}
	})
}

// No answer to a bad request repeats what was sent.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	const secret = "s3cret-of-a-customer"
	for _, response := range []*harness.Response{
		client.Do(http.MethodPost, "/events", `{"payload":"`+secret+`"}`),
		client.Do(http.MethodPost, "/events", `{"payload":{},"type":{"x":"`+secret+`"}}`),
		client.Do(http.MethodPost, "/events", `{"payload":{},"type":"`+secret+`\u0000"}`),
		client.Do(http.MethodPost, "/events", secret),
		client.Do(http.MethodPost, "/events", `{"payload":{}}`, "Idempotency-Key", `"`+secret),
		client.Do(http.MethodPost, "/inbox/ack", `{"ids":[{"x":"`+secret+`"}]}`),
		client.Do(http.MethodGet, "/inbox?limit="+secret, ""),
		client.Do(http.MethodGet, "/inbox?since="+secret, ""),
		client.Do(http.MethodGet, "/inbox?cursor="+secret, ""),
		client.Do(http.MethodGet, "/events/"+secret, ""),
		client.Do(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+secret),
	} {
		if response.Status < 400 || strings.Contains(string(response.Body), secret) {
			t.Errorf("%d %s", response.Status, response.Body)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: []string{"LOG_LEVEL=INFO", "LOG_FORMAT=json"}})
	client := server.Client(t, harness.Key)
	logged(t, server, client.Do(http.MethodGet, "/inbox", "").Header.Get("X-Request-ID"))

	text := harness.Launch(t, harness.Options{Env: []string{"LOG_FORMAT=text"}})
	t.Cleanup(text.Stop)
	harness.Eventually(t, 20*time.Second, "a line of text", func() error {
		if log := text.Log(); !strings.Contains(log, "level=INFO msg=listening timestamp=") {
			return fmt.Errorf("log: %s", log)
		}
		return nil
	})
	quiet := harness.Launch(t, harness.Options{Env: []string{"LOG_LEVEL=ERROR"}})
	harness.Eventually(t, 20*time.Second, "the greeting", func() error {
		if !strings.Contains(quiet.Stderr(), "Swagger UI") {
			return fmt.Errorf("stderr: %s", quiet.Stderr())
		}
		return nil
	})
	quiet.Stop()
	if log := quiet.Log(); log != "" {
		t.Errorf("LOG_LEVEL=ERROR, and yet: %s", log)
	}
}
