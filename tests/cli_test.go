package tests

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// done is how a command ended.
type done struct {
	stdout, stderr string
	code           int
}

// command runs triggers in a directory, on the database that a server started there has.
func command(t *testing.T, dir string, env []string, args ...string) (ended done) {
	t.Helper()
	cmd, stdout, stderr := commandIn(t, dir, env, args...)
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		ended.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	ended.stdout, ended.stderr = stdout.String(), stderr.String()
	return ended
}

func commandIn(t *testing.T, dir string, env []string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.CommandContext(t.Context(), harness.Binary(t), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, stderr
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOCOVERDIR=" + os.Getenv("SERVER_COVERDIR")},
		append(harness.EngineEnv(t, dir), env...)...)
	return cmd, stdout, stderr
}

// ok fails the test unless the command did what it was to do.
func (d done) ok(t *testing.T) done {
	t.Helper()
	if d.code != 0 {
		t.Fatalf("exit code %d\n%s%s", d.code, d.stdout, d.stderr)
	}
	return d
}

var keyID = regexp.MustCompile(`key_[0-9A-Z]{26}`)

// The commands work on the database of a running server, which acts on them within seconds.
func TestCLIKeys(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	run := func(args ...string) done {
		t.Helper()
		return command(t, server.Dir, nil, append([]string{"keys"}, args...)...).ok(t)
	}
	created := run("create", "tenant_a", "--name", "billing service")
	secret, ok := strings.CutSuffix(created.stdout, "\n")
	if !ok || !keyForm.MatchString(secret) || strings.Contains(created.stderr, secret) {
		t.Fatalf("the key alone belongs on standard output: %+v", created)
	}
	client, id := server.Client(t, secret), keyID.FindString(created.stderr)
	answers(t, client, http.StatusOK)
	limited := strings.TrimSpace(run("create", "--scopes", "events:write, inbox:read", "--expires-in=1h", "tenant_a", "--name=limited").stdout)
	server.Client(t, limited).Do(http.MethodPost, "/inbox/x/ack", "").WantError(http.StatusForbidden, "INSUFFICIENT_SCOPE")

	list := run("list", "tenant_a").stdout
	keys := listKeys(t, admin, "tenant_a", "50")
	if len(keys) != 2 || keys[0].ID != id || keys[1].ExpiresAt == nil || time.Until(*keys[1].ExpiresAt) > time.Hour {
		t.Errorf("%+v", keys)
	}
	for _, want := range []string{id, secret[:8] + "…", "billing service", "active", "all", "limited", "events:write,inbox:read"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in the list:\n%s", want, list)
		}
	}
	if strings.Contains(list, secret) || strings.Contains(list, limited) {
		t.Errorf("the list shows a key:\n%s", list)
	}

	rotated := strings.TrimSpace(run("rotate", "tenant_a", id, "--overlap=1h").stdout)
	for _, key := range []string{secret, rotated} {
		server.Client(t, key).Post(`{"payload":{}}`)
	}
	run("revoke", "tenant_a", id)
	answers(t, client, http.StatusUnauthorized)
	server.Client(t, rotated).Post(`{"payload":{}}`)
	for _, line := range []string{"revoke tenant_a key_x", "revoke tenant_b " + id, "rotate tenant_a " + id, "list nobody", "create nobody --name=x"} {
		ended := command(t, server.Dir, nil, append([]string{"keys"}, strings.Fields(line)...)...)
		if ended.code != 1 || ended.stdout != "" || !strings.HasPrefix(ended.stderr, "triggers: ") {
			t.Errorf("keys %s: %+v", line, ended)
		}
	}
}

func TestCLITenants(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	run := func(args ...string) string {
		t.Helper()
		return command(t, server.Dir, nil, append([]string{"tenants"}, args...)...).ok(t).stdout
	}
	run("create", "acme", "--name", "Acme Inc.", "--rate-limit=5", "--retention-days", "0")
	if acme := getTenant(t, admin, "acme"); acme.Name != "Acme Inc." || *acme.RateLimitPerMinute != 5 || *acme.RetentionDays != 0 {
		t.Errorf("%+v", acme)
	}
	list := run("list")
	for _, want := range []string{"acme", "Acme Inc.", "5/min", "for ever", "tenant_a", "tenant_b"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in the list:\n%s", want, list)
		}
	}
	run("update", "acme", "--rate-limit=default")
	if acme := getTenant(t, admin, "acme"); acme.Name != "Acme Inc." || acme.RateLimitPerMinute != nil || *acme.RetentionDays != 0 {
		t.Errorf("%+v", acme)
	}
	run("update", "acme", "--name=", "--retention-days=3")
	if acme := getTenant(t, admin, "acme"); acme.Name != "" || *acme.RetentionDays != 3 {
		t.Errorf("%+v", acme)
	}

	client := server.Client(t, harness.Key)
	client.Post(`{"payload":{}}`)
	run("disable", "tenant_a")
	answers(t, client, http.StatusForbidden)
	run("enable", "tenant_a")
	answers(t, client, http.StatusOK)

	run("erase", "tenant_a", "--yes")
	if events := erased(t, admin, "tenant_a"); events != 1 {
		t.Errorf("%d events were erased", events)
	}
	if list := run("list"); !strings.Contains(list, "finished, 1 events") {
		t.Errorf("%s", list)
	}
	for _, line := range []string{"create acme", "update nobody --name=x", "disable nobody", "enable nobody", "erase nobody --yes"} {
		ended := command(t, server.Dir, nil, append([]string{"tenants"}, strings.Fields(line)...)...)
		if ended.code != 1 || ended.stdout != "" || !strings.HasPrefix(ended.stderr, "triggers: there is ") {
			t.Errorf("tenants %s: %+v", line, ended)
		}
	}
}

// What is not understood is answered with exit code 2 and what is wrong, and changes nothing.
func TestCLIMistakes(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		line []string
		says string
	}{
		{[]string{"keys"}, "triggers keys create TENANT"},
		{[]string{"keys", "dance"}, "triggers keys rotate TENANT"},
		{[]string{"keys", "create"}, "something is missing"},
		{[]string{"keys", "create", "tenant_a"}, "--name"},
		{[]string{"keys", "create", "tenant_a", "--name="}, "--name"},
		{[]string{"keys", "create", "tenant_a", "--name=a\nb"}, "--name: "},
		{[]string{"keys", "create", "tenant_a", "--name=" + long[:101]}, "at most 100"},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--scopes=events:read"}, "inbox:read"},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--scopes="}, "--scopes: "},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--expires-in=90"}, "--expires-in: "},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--expires-in=0s"}, "--expires-in: "},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--expires-in=-1h"}, "--expires-in: "},
		{[]string{"keys", "create", "tenant_a", "more", "--name=x"}, `"more" is not a flag`},
		{[]string{"keys", "create", "tenant_a", "--name=x", "--nope"}, "-nope"},
		{[]string{"keys", "rotate", "tenant_a", "key_x", "--overlap=-1s"}, "--overlap: "},
		{[]string{"keys", "revoke", "tenant_a"}, "something is missing"},
		{[]string{"tenants"}, "triggers tenants create ID"},
		{[]string{"tenants", "create", "a/b"}, `without "/"`},
		{[]string{"tenants", "create", "a b"}, "visible ASCII"},
		{[]string{"tenants", "create", long[:129]}, "128 characters"},
		{[]string{"tenants", "create", "x", "--name=" + long}, "at most 255"},
		{[]string{"tenants", "create", "x", "--rate-limit=-1"}, "--rate-limit: must be a whole number"},
		{[]string{"tenants", "create", "x", "--retention-days=x"}, "--retention-days: must be a whole number"},
		{[]string{"tenants", "update", "tenant_a"}, "what is to change"},
		{[]string{"tenants", "erase", "tenant_a"}, "--yes"},
		{[]string{"migrate", "now"}, `"now" is not a flag`},
		{[]string{"health", "now"}, `"now" is not a flag`},
		{[]string{"tenants", "list", "--database-url=mysql://user:s3cret@host/x", "--storage-backend="}, "DATABASE_URL: must be"},
	} {
		ended := command(t, server.Dir, nil, c.line...)
		if ended.code != 2 || ended.stdout != "" || !strings.Contains(ended.stderr, c.says) || strings.Contains(ended.stderr, "s3cret") {
			t.Errorf("%q: %+v", c.line, ended)
		}
	}
	for _, line := range []string{"keys -h", "keys create -h", "keys rotate --help", "tenants -h", "tenants update -h", "migrate -h", "copy -h", "health -h"} {
		if ended := command(t, server.Dir, nil, strings.Fields(line)...); ended.code != 0 || !strings.HasPrefix(ended.stdout, "Usage:") || ended.stderr != "" {
			t.Errorf("%s: %+v", line, ended)
		}
	}
	if keys := listKeys(t, admin, "tenant_a", "50"); len(keys) > 0 {
		t.Errorf("%+v", keys)
	}
	admin.Do(http.MethodGet, "/admin/tenants/x", "").Want(http.StatusNotFound)
}

// Without AUTO_MIGRATE a server on a database without a schema says what is to be done, and is ready once that is done.
func TestCLIMigrate(t *testing.T) {
	t.Parallel()
	server := harness.StartUnready(t, harness.Options{Env: []string{"ADMIN_API_KEY=" + operatorKey, "AUTO_MIGRATE=false"}})
	client, admin := server.Client(t, harness.Key), server.Client(t, operatorKey)
	for _, path := range []string{"/readyz", "/health"} {
		response := client.Do(http.MethodGet, path, "").Want(http.StatusServiceUnavailable)
		if response.Text("checks.store") != "migration_required" || !strings.Contains(response.Text("message"), `run "triggers migrate"`) ||
			response.Header.Get("Retry-After") == "" {
			t.Errorf("%s %v", response.Body, response.Header)
		}
	}
	client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK)
	for _, response := range []*harness.Response{
		client.Do(http.MethodPost, "/events", `{"payload":{}}`), client.Do(http.MethodGet, "/inbox", ""), admin.Do(http.MethodGet, "/admin/tenants", ""),
	} {
		if response.WantError(http.StatusServiceUnavailable, "UNAVAILABLE"); response.Header.Get("Retry-After") == "" {
			t.Errorf("%v", response.Header)
		}
	}
	if refused := command(t, server.Dir, []string{"AUTO_MIGRATE=false"}, "tenants", "list"); refused.code != 1 || !strings.Contains(refused.stderr, `run "triggers migrate"`) {
		t.Errorf("%+v", refused)
	}
	if health := command(t, server.Dir, []string{"PORT=" + port(server)}, "health"); health.code != 1 || !strings.Contains(health.stderr, "503") {
		t.Errorf("%+v", health)
	}

	if migrated := command(t, server.Dir, nil, "migrate").ok(t); !strings.Contains(migrated.stdout, "had version 0 and now has") {
		t.Errorf("%+v", migrated)
	}
	harness.Eventually(t, 30*time.Second, "the server to become ready by itself", func() error {
		if response := client.Do(http.MethodGet, "/readyz", ""); response.Status != http.StatusOK {
			return fmt.Errorf("%s", response.Body)
		}
		return nil
	})
	id := client.Post(`{"payload":{}}`)
	server.Stop()
	if again := command(t, server.Dir, nil, "migrate").ok(t); !strings.Contains(again.stdout, "nothing to do") {
		t.Errorf("%+v", again)
	}
	server = harness.Start(t, harness.Options{Dir: server.Dir, Env: []string{"AUTO_MIGRATE=false"}})
	server.Client(t, harness.Key).Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK)
}

// A server on a database of a newer one is not ready, and says why. SQLite only: the engines' own tests do the same.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	id := server.Client(t, harness.Key).Post(`{"payload":{}}`)
	server.Stop()
	alter := func(statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", server.Database())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	alter(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)

	newer := harness.StartUnready(t, harness.Options{Dir: server.Dir})
	client := newer.Client(t, harness.Key)
	response := client.Do(http.MethodGet, "/readyz", "").Want(http.StatusServiceUnavailable)
	if response.Text("checks.store") != "migration_required" || !strings.Contains(response.Text("message"), "version 999") ||
		!strings.Contains(response.Text("message"), "run a newer version of triggers") {
		t.Errorf("%s", response.Body)
	}
	client.Do(http.MethodPost, "/events", `{"payload":{}}`).WantError(http.StatusServiceUnavailable, "UNAVAILABLE")
	newer.Stop()
	for _, args := range [][]string{{"migrate"}, {"tenants", "list"}, {"keys", "create", "tenant_a", "--name=x"}} {
		if ended := command(t, server.Dir, nil, args...); ended.code != 1 || ended.stdout != "" || !strings.Contains(ended.stderr, "newer version of triggers") {
			t.Errorf("%v: %+v", args, ended)
		}
	}
	alter(`DELETE FROM goose_db_version WHERE version_id = 999`)
	again := harness.Start(t, harness.Options{Dir: server.Dir})
	again.Client(t, harness.Key).Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK)
}

func TestCLIHealth(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	environment := []string{"PORT=" + port(server)}
	if ready := command(t, server.Dir, environment, "health").ok(t); ready.stdout != "ready\n" {
		t.Errorf("%+v", ready)
	}
	command(t, server.Dir, append(environment, "HOST=0.0.0.0"), "health").ok(t)
	command(t, server.Dir, nil, "health", "--host=localhost", "--port", port(server)).ok(t)
	server.Stop()
	if gone := command(t, server.Dir, environment, "health"); gone.code != 1 || gone.stdout != "" || gone.stderr == "" {
		t.Errorf("%+v", gone)
	}
}

func port(server *harness.Server) string {
	return server.URL[strings.LastIndexByte(server.URL, ':')+1:]
}
