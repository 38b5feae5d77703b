package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	client := server.Client(t, "")
	for name, c := range map[string]struct {
		headers []string
		status  int
		code    string
	}{
		"Bearer":       {[]string{"Authorization", "Bearer " + harness.Key}, http.StatusOK, ""},
		"LowerCase":    {[]string{"Authorization", "bearer " + harness.Key}, http.StatusOK, ""},
		"XAPIKey":      {[]string{"X-API-Key", harness.Key}, http.StatusOK, ""},
		"BothSame":     {[]string{"Authorization", "Bearer " + harness.Key, "X-API-Key", harness.Key}, http.StatusOK, ""},
		"None":         {nil, http.StatusUnauthorized, "UNAUTHORIZED"},
		"BothDiffer":   {[]string{"Authorization", "Bearer " + harness.Key, "X-API-Key", harness.SecondKey}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Unknown":      {[]string{"X-API-Key", "nobody"}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Prefix":       {[]string{"X-API-Key", harness.Key[:5]}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Longer":       {[]string{"X-API-Key", harness.Key + "x"}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Case":         {[]string{"X-API-Key", strings.ToUpper(harness.Key)}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Basic":        {[]string{"Authorization", "Basic dXNlcjpwYXNz"}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"BasicAndKey":  {[]string{"Authorization", "Basic dXNlcjpwYXNz", "X-API-Key", harness.Key}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"NoScheme":     {[]string{"Authorization", harness.Key}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"EmptyBearer":  {[]string{"Authorization", "Bearer "}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Twice":        {[]string{"X-API-Key", harness.Key, "X-API-Key", harness.Key}, http.StatusUnauthorized, "UNAUTHORIZED"},
		"Disabled":     {[]string{"X-API-Key", harness.DisabledKey}, http.StatusForbidden, "TENANT_DISABLED"},
		"DisabledOnly": {[]string{"Authorization", "Bearer " + harness.DisabledKey}, http.StatusForbidden, "TENANT_DISABLED"},
	} {
		t.Run(name, func(t *testing.T) {
			client := client.In(t)
			response := client.Do(http.MethodGet, "/inbox", "", c.headers...).Want(c.status)
			if c.code != "" {
				response.WantError(c.status, c.code)
			}
			if challenge := response.Header.Get("WWW-Authenticate"); (challenge != "") != (c.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	t.Run("EveryOperation", func(t *testing.T) {
		client := client.In(t)
		for _, route := range []string{
			"POST /events", "POST /events/batch", "GET /events/x", "GET /inbox", "POST /inbox/ack", "POST /inbox/x/ack", "DELETE /inbox/x", "GET /usage",
		} {
			method, path, _ := strings.Cut(route, " ")
			client.Do(method, path, "").WantError(http.StatusUnauthorized, "UNAUTHORIZED")
			client.Do(method, path, "", "X-API-Key", harness.DisabledKey).WantError(http.StatusForbidden, "TENANT_DISABLED")
		}
		for _, path := range []string{"/", "/livez", "/readyz", "/health", "/docs", "/openapi.yaml", "/openapi.json"} {
			if status := client.Do(http.MethodGet, path, "").Status; status >= http.StatusBadRequest {
				t.Errorf("%s needs no key, and yet answers %d", path, status)
			}
		}
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: []string{"RATE_LIMIT_PER_MINUTE=10"}})
	drain := func(t *testing.T, client *harness.Client) *harness.Response {
		t.Helper()
		for range 50 {
			if response := client.Do(http.MethodGet, "/inbox", ""); response.Status != http.StatusOK {
				return response
			}
		}
		t.Fatal("50 requests passed a limit of 10")
		return nil
	}
	t.Run("Requests", func(t *testing.T) {
		client := server.Client(t, harness.Key)
		first := client.Do(http.MethodGet, "/inbox", "").Want(http.StatusOK)
		for name, want := range map[string]string{
			"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "6",
			"RateLimit": `"default";r=9;t=6`, "RateLimit-Policy": `"default";q=10;w=60`,
		} {
			if got := first.Header.Get(name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		client.Do(http.MethodPost, "/events", `[]`).Want(http.StatusBadRequest) // costs as well
		client.Do(http.MethodGet, "/events/x", "").Want(http.StatusNotFound)
		refused := drain(t, client).WantError(http.StatusTooManyRequests, "RATE_LIMITED")
		if retry := refused.Header.Get("Retry-After"); retry == "" || retry == "0" || refused.Header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("Retry-After %q, %v", retry, refused.Header)
		}
		if seconds, ok := refused.Value("error.retryAfterSeconds").(float64); !ok || seconds < 1 || seconds > 6 {
			t.Errorf("%s", refused.Body)
		}
		for _, route := range []string{"POST /events", "POST /events/batch", "GET /events/x", "GET /inbox", "POST /inbox/ack", "POST /inbox/x/ack", "DELETE /inbox/x"} {
			method, path, _ := strings.Cut(route, " ")
			client.Do(method, path, "").WantError(http.StatusTooManyRequests, "RATE_LIMITED")
		}
		for _, path := range []string{"/usage", "/health", "/livez", "/docs", "/openapi.json"} {
			client.Do(http.MethodGet, path, "").Want(http.StatusOK)
		}
		server.Client(t, harness.SecondKey).Do(http.MethodGet, "/inbox", "").Want(http.StatusOK) // a bucket for each key
	})
	t.Run("Usage", func(t *testing.T) {
		client := server.Client(t, harness.OtherKey)
		for range 3 { // asking costs nothing
			usage := client.Do(http.MethodGet, "/usage", "").Want(http.StatusOK)
			if usage.Value("limit") != 10.0 || usage.Value("remaining") != 10.0 || usage.Value("windowSeconds") != 60.0 {
				t.Errorf("%s", usage.Body)
			}
		}
		client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(`{"payload":{}}`, 7)+`]}`).Want(http.StatusOK)
		usage := client.Do(http.MethodGet, "/usage", "").Want(http.StatusOK)
		full, err := time.Parse(time.RFC3339, usage.Text("resetAt"))
		if usage.Value("remaining") != 3.0 || err != nil || !full.After(time.Now()) || usage.Header.Get("X-RateLimit-Remaining") != "3" {
			t.Errorf("a batch of 7 of 10: %s %v", usage.Body, usage.Header)
		}
		client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(`{"payload":{}}`, 7)+`]}`).WantError(http.StatusTooManyRequests, "RATE_LIMITED")
		if n := len(client.Inbox("limit", "100").Events); n != 7 {
			t.Errorf("%d events stored, want 7", n)
		}
	})
	t.Run("BatchGetsThrough", func(t *testing.T) {
		// However often it was refused: a refusal by the limit costs nothing.
		client := harness.Start(t, harness.Options{Env: []string{"RATE_LIMIT_PER_MINUTE=600"}}).Client(t, harness.Key)
		batch := `{"events":[` + repeat(`{"payload":{}}`, 100) + `]}`
		for range 6 {
			client.Do(http.MethodPost, "/events/batch", batch)
		}
		client.Do(http.MethodPost, "/events/batch", batch).WantError(http.StatusTooManyRequests, "RATE_LIMITED")
		harness.Eventually(t, 60*time.Second, "the batch to get through", func() error {
			if response := client.Do(http.MethodPost, "/events/batch", batch); response.Status != http.StatusOK {
				return fmt.Errorf("%d", response.Status)
			}
			return nil
		})
	})
	t.Run("BadBatchCosts", func(t *testing.T) {
		client := harness.Start(t, harness.Options{Env: []string{"RATE_LIMIT_PER_MINUTE=5"}}).Client(t, harness.Key)
		for range 5 {
			client.Do(http.MethodPost, "/events/batch", `{"events":[]}`).WantError(http.StatusBadRequest, "INVALID_REQUEST")
		}
		client.Do(http.MethodPost, "/events/batch", `{"events":[]}`).WantError(http.StatusTooManyRequests, "RATE_LIMITED")
	})
	t.Run("BatchBeyondLimit", func(t *testing.T) {
		client := server.Client(t, harness.SecondKey)
		refused := client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(`{"payload":{}}`, 11)+`]}`).WantError(http.StatusBadRequest, "BATCH_TOO_LARGE")
		if !strings.Contains(refused.Text("error.message"), "at most 10") {
			t.Errorf("%s", refused.Body)
		}
	})
}

func TestRateLimitOff(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	for range 100 {
		response := client.Do(http.MethodGet, "/inbox", "").Want(http.StatusOK)
		if limit := response.Header.Get("X-RateLimit-Limit"); limit != "" {
			t.Fatalf("no limit, and yet X-RateLimit-Limit is %s", limit)
		}
	}
	usage := client.Do(http.MethodGet, "/usage", "").Want(http.StatusOK)
	if usage.Value("limit") != nil || usage.Value("remaining") != nil || usage.Value("resetAt") != nil {
		t.Errorf("%s", usage.Body)
	}
}
