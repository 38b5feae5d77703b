package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	for _, path := range []string{"/nope", "/event", "/events/x/y", "/inbox/x/ack/y", "/v1/events", "//", "/docs/../../etc/passwd", "/%2e%2e"} {
		client.Do(http.MethodGet, path, "").WantError(http.StatusNotFound, "NOT_FOUND")
	}
	for route, allow := range map[string][]string{
		"PUT /events":       {"POST"},
		"GET /events":       {"POST"},
		"PATCH /inbox":      {"GET"},
		"POST /inbox":       {"GET"},
		"DELETE /events/x":  {"GET"},
		"GET /inbox/x":      {"DELETE"},
		"PUT /inbox/x/ack":  {"POST"},
		"POST /health":      {"GET"},
		"DELETE /docs":      {"GET"},
		"TRACE /events":     {"POST"},
		"POST /":            {"GET"},
		"NONSENSE /events":  {"POST"},
		"GET /events/batch": {"POST"},
		"DELETE /inbox/ack": {"POST"},
		"PUT /inbox":        {"GET", "HEAD"},
		"PUT /openapi.json": {"GET"},
	} {
		method, path, _ := strings.Cut(route, " ")
		response := client.Do(method, path, "").WantError(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		got := strings.Split(strings.ReplaceAll(response.Header.Get("Allow"), " ", ""), ",")
		for _, method := range allow {
			if !slices.Contains(got, method) {
				t.Errorf("%s: Allow is %v", route, got)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, "")
	for _, path := range []string{"/health", "/readyz"} {
		response := client.Do(http.MethodGet, path, "").Want(http.StatusOK)
		if response.Text("status") != "healthy" || response.Text("checks.store") != "ok" || response.Text("version") == "" {
			t.Errorf("%s", response.Body)
		}
	}
	if response := client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK); response.Text("status") != "alive" {
		t.Errorf("%s", response.Body)
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, "")
	t.Run("Contract", func(t *testing.T) {
		source, err := os.ReadFile(filepath.Join(harness.Root(), "openapi.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		asYAML := client.In(t).Do(http.MethodGet, "/openapi.yaml", "").Want(http.StatusOK)
		if string(asYAML.Body) != string(source) {
			t.Error("/openapi.yaml is not openapi.yaml")
		}
		contract, err := gen.Contract()
		if err != nil {
			t.Fatal(err)
		}
		if err := contract.Validate(t.Context()); err != nil {
			t.Error(err)
		}
		want, err := json.Marshal(contract)
		if err != nil {
			t.Fatal(err)
		}
		if asJSON := client.In(t).Do(http.MethodGet, "/openapi.json", "").Want(http.StatusOK); string(asJSON.Body) != string(want) {
			t.Error("/openapi.json says something else than openapi.yaml")
		}
	})
	t.Run("Root", func(t *testing.T) {
		response := client.In(t).Do(http.MethodGet, "/", "").Want(http.StatusTemporaryRedirect)
		if response.Header.Get("Location") != "/docs" {
			t.Errorf("%v", response.Header)
		}
	})
	t.Run("Files", func(t *testing.T) {
		for path, kind := range map[string]string{
			"/docs": "text/html", "/docs/": "text/html",
			"/docs/swagger-ui-bundle.js": "javascript", "/docs/swagger-ui.css": "text/css", "/docs/favicon-32x32.png": "image/png",
		} {
			response := client.In(t).Do(http.MethodGet, path, "").Want(http.StatusOK)
			if got := response.Header.Get("Content-Type"); !strings.Contains(got, kind) || len(response.Body) == 0 {
				t.Errorf("%s: %s, %d bytes", path, got, len(response.Body))
			}
			if response.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s has no Content-Security-Policy", path)
			}
		}
		for _, path := range []string{"/docs/nope.js", "/docs/."} {
			client.In(t).Do(http.MethodGet, path, "").WantError(http.StatusNotFound, "NOT_FOUND")
		}
	})
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	for sent, kept := range map[string]bool{
		"abc-123":                                  true,
		"2f1e3c4d-0000-4000-8000-1234567890ab":     true,
		"Root=1-67891233-abcdef012345678912345678": true,
		strings.Repeat("x", 128):                   true,
		strings.Repeat("x", 129):                   false,
		"two words":                                false,
		`"quoted"`:                                 false,
		"é":                                        false,
		"<script>":                                 false,
		"":                                         false,
	} {
		for _, path := range []string{"/inbox", "/nope"} {
			got := client.Do(http.MethodGet, path, "", "X-Request-ID", sent).Header.Get("X-Request-ID")
			if kept && got != sent || !kept && !strings.HasPrefix(got, "req_") {
				t.Errorf("sent %q, got %q", sent, got)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const origin = "https://app.example.com"
	client := harness.Start(t, harness.Options{Env: []string{"CORS_ALLOWED_ORIGINS=http://localhost:3000, " + origin}}).Client(t, harness.Key)
	t.Run("Preflight", func(t *testing.T) {
		client := client.In(t)
		contract, err := gen.Contract()
		if err != nil {
			t.Fatal(err)
		}
		for path, item := range contract.Paths.Map() {
			for method, operation := range item.Operations() {
				response := client.Do(http.MethodOptions, strings.ReplaceAll(path, "{id}", "x"), "",
					"Authorization", "", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization").Want(http.StatusNoContent)
				if response.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(response.Header.Get("Access-Control-Allow-Methods"), method) {
					t.Errorf("%s %s: %v", method, path, response.Header)
				}
				allowed := strings.ToLower(response.Header.Get("Access-Control-Allow-Headers"))
				wanted := []string{"Authorization", "X-API-Key", "Content-Type", "X-Request-ID"}
				for _, p := range operation.Parameters {
					if p.Value.In == "header" {
						wanted = append(wanted, p.Value.Name)
					}
				}
				for _, name := range wanted {
					if !strings.Contains(allowed, strings.ToLower(name)) {
						t.Errorf("%s %s: %s is not allowed", method, path, name)
					}
				}
			}
		}
	})
	t.Run("Answers", func(t *testing.T) {
		client := client.In(t)
		for _, path := range []string{"/inbox", "/nope", "/inbox?limit=x"} {
			response := client.Do(http.MethodGet, path, "", "Origin", origin)
			if response.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(response.Header.Get("Vary"), "Origin") {
				t.Errorf("%s: %v", path, response.Header)
			}
			exposed := response.Header.Get("Access-Control-Expose-Headers")
			for _, name := range []string{"X-Request-ID", "X-Event-ID", "Retry-After", "RateLimit", "X-RateLimit-Remaining", "Idempotency-Replayed", "Preference-Applied"} {
				if !strings.Contains(exposed, name) {
					t.Errorf("%s is not exposed: %s", name, exposed)
				}
			}
		}
		if unauthorized := client.Do(http.MethodGet, "/inbox", "", "Origin", origin, "Authorization", ""); unauthorized.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("a page cannot read why it was refused: %v", unauthorized.Header)
		}
	})
	t.Run("OtherOrigin", func(t *testing.T) {
		for _, other := range []string{"https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com", "null"} {
			response := client.In(t).Do(http.MethodGet, "/inbox", "", "Origin", other)
			if got := response.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s is allowed: %s", other, got)
			}
		}
	})
}

// Load balancers like to ask with HEAD.
func TestHead(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	for _, path := range []string{"/health", "/livez", "/inbox", "/openapi.json"} {
		if response := client.Do(http.MethodHead, path, "").Want(http.StatusOK); len(response.Body) > 0 {
			t.Errorf("%s: %s", path, response.Body)
		}
	}
	if response := client.Do(http.MethodHead, "/events", "").Want(http.StatusMethodNotAllowed); !strings.Contains(response.Header.Get("Allow"), "POST") {
		t.Errorf("%v", response.Header)
	}
}
