package tests

import (
	"net/http"
	"testing"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestCreateEvent(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, harness.Key)

	t.Run("OK", func(t *testing.T) {
		response := client.Do(http.MethodPost, "/events", `{"source":"billing","type":"invoice.paid","topic":"finance","payload":{"a":1}}`).Want(http.StatusOK)
		if response.Text("status") != "accepted" || response.Header.Get("X-Event-ID") != response.Text("id") {
			t.Errorf("%s %v", response.Body, response.Header)
		}
	})
}
