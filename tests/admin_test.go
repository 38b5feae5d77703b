package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/tests/harness"
)

// operatorKey is the ADMIN_API_KEY of the servers that have one.
const operatorKey = "operator-key-of-the-tests-0123456789"

// administered starts a server that has the admin API, and returns the operator's client.
func administered(t *testing.T, env ...string) (*harness.Server, *harness.Client) {
	t.Helper()
	return administeredIn(t, t.TempDir(), env...)
}

func administeredIn(t *testing.T, dir string, env ...string) (*harness.Server, *harness.Client) {
	t.Helper()
	server := harness.Start(t, harness.Options{Dir: dir, Env: append([]string{"ADMIN_API_KEY=" + operatorKey}, env...)})
	return server, server.Client(t, operatorKey)
}

// operation is one of the contract's, with a path that can be asked for.
type operation struct{ id, method, path, scope string }

// operations are those of the contract that need a key: the operator's, or a tenant's.
func operations(t *testing.T, admin bool) []operation {
	t.Helper()
	contract, err := gen.Contract()
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{tenantId}", "tenant_a", "{keyId}", "key_01K9S5Q980EZGSYJVD17502ECK", "{id}", "evt_01K9S5Q980EZGSYJVD17502ECG")
	var found []operation
	for path, item := range contract.Paths.Map() {
		for method, o := range item.Operations() {
			public := o.Security != nil && len(*o.Security) == 0
			if public || strings.HasPrefix(path, "/admin/") != admin {
				continue
			}
			scope, _ := o.Extensions["x-required-scope"].(string)
			found = append(found, operation{id: o.OperationID, method: method, path: fill.Replace(path), scope: scope})
		}
	}
	if len(found) == 0 {
		t.Fatal("the contract has no such operations")
	}
	return found
}

// Without a key of the operator's there is no admin API, whoever asks.
func TestAdminOff(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	for _, key := range []string{"", harness.Key, operatorKey} {
		client := server.Client(t, key)
		for _, o := range operations(t, true) {
			client.Do(o.method, o.path, "").WantError(http.StatusNotFound, "NOT_FOUND")
		}
	}
}

func TestAdminKey(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "DEBUG=true")
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		admin.In(t).Do(http.MethodGet, "/admin/tenants", "").Want(http.StatusOK)
		server.Client(t, "").Do(http.MethodGet, "/admin/tenants", "", "X-API-Key", operatorKey).Want(http.StatusOK)
	})
	t.Run("ErrUnauthorized", func(t *testing.T) {
		t.Parallel()
		client := server.Client(t, "")
		for name, key := range map[string]string{
			"None": "", "Tenants": harness.Key, "DisabledTenants": harness.DisabledKey, "Longer": operatorKey + "x",
			"Shorter": operatorKey[:len(operatorKey)-1], "Case": strings.ToUpper(operatorKey),
		} {
			for _, o := range operations(t, true) {
				response := client.Do(o.method, o.path, "", "X-API-Key", key).WantError(http.StatusUnauthorized, "UNAUTHORIZED")
				if response.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s, %s: no WWW-Authenticate", name, o.id)
				}
			}
		}
	})
	t.Run("ErrNotATenants", func(t *testing.T) {
		t.Parallel()
		client := admin.In(t)
		for _, o := range operations(t, false) {
			client.Do(o.method, o.path, "").WantError(http.StatusUnauthorized, "UNAUTHORIZED")
		}
	})
	t.Run("NotLogged", func(t *testing.T) {
		t.Parallel()
		response := admin.In(t).Do(http.MethodGet, "/admin/tenants?limit=x", "").Want(http.StatusBadRequest)
		logged(t, server, response.Header.Get("X-Request-ID"))
		if log := server.Log() + server.Stderr(); strings.Contains(log, operatorKey) {
			t.Errorf("the operator's key is in the log:\n%s", log)
		}
	})
}

// A key that could be guessed is refused when the server starts, and not repeated.
func TestAdminKeyMustBeStrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key  string
		env  []string
		says string
	}{
		"Short":             {key: "fifteen-letters", says: "at least 16"},
		"Space":             {key: "sixteen letters!", says: "without spaces"},
		"NotASCII":          {key: "sixteen-lettersé", says: "visible ASCII"},
		"ShortInProduction": {key: "thirty-one-letters-are-too-few-", env: []string{"APP_ENV=production"}, says: "at least 32"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := refusal(t, harness.Options{Env: append([]string{"ADMIN_API_KEY=" + c.key}, c.env...)})
			if !strings.Contains(said, "ADMIN_API_KEY: ") || !strings.Contains(said, c.says) || strings.Contains(said, c.key) {
				t.Errorf("%s", said)
			}
		})
	}
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		for key, env := range map[string]string{"sixteen-letters-": "development", "thirty-two-letters-are-just-fine": "production"} {
			server := harness.Start(t, harness.Options{Env: []string{"ADMIN_API_KEY=" + key, "APP_ENV=" + env}})
			server.Client(t, key).Do(http.MethodGet, "/admin/tenants", "").Want(http.StatusOK)
		}
	})
}
