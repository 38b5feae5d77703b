package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// onSQLite has a server use the SQLite file in its directory, whatever engine the tests run on.
var onSQLite = []string{"STORAGE_BACKEND=sqlite", "DATABASE_URL=sqlite:///./data/events.db"}

func sqliteURL(server *harness.Server) string { return "sqlite:///" + server.Database() }

// engineURL names the database of a directory, as copy wants it.
func engineURL(t *testing.T, dir string) string {
	t.Helper()
	env := map[string]string{}
	for _, pair := range harness.EngineEnv(t, dir) {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	switch harness.Engine() {
	case "dynamodb":
		return "dynamodb://" + env["AWS_REGION"] + "/" + env["AWS_DYNAMODB_TABLE"] + "?endpoint=" + url.QueryEscape(env["AWS_ENDPOINT_URL"])
	case "sqlite":
		return "sqlite:///" + filepath.Join(dir, "data", "events.db")
	default:
		return env["DATABASE_URL"]
	}
}

// copyAll copies a stopped server's database to that of another directory. It runs there.
func copyAll(t *testing.T, from *harness.Server, dir string, args ...string) done {
	t.Helper()
	return command(t, dir, nil, append([]string{"copy", "--from", sqliteURL(from), "--to", engineURL(t, dir)}, args...)...)
}

// source is a server that has some of everything and was stopped, and what is known of it.
type source struct {
	server  *harness.Server
	exports map[string]string // by tenant
	secret  string            // an API key of the tenant acme
	keyed   string            // the event of acme's idempotency key "k"
	newest  string            // the last event
}

func newSource(t *testing.T) *source {
	t.Helper()
	server, admin := administered(t, onSQLite...)
	s := &source{server: server, exports: map[string]string{}}
	createTenant(t, admin, `{"id":"acme","name":"Acme ü","rateLimitPerMinute":100000,"retentionDays":0}`)
	createTenant(t, admin, `{"id":"idle"}`)
	admin.Do(http.MethodPatch, "/admin/tenants/idle", `{"disabled":true}`).Want(http.StatusOK)
	s.secret = createKey(t, admin, "acme", `{"name":"x","scopes":["events:write","inbox:read","inbox:write"],"expiresAt":"2099-01-01T00:00:00Z"}`).Key
	revoked := createKey(t, admin, "acme", `{"name":"revoked"}`).Details.ID
	admin.Do(http.MethodDelete, "/admin/tenants/acme/keys/"+revoked, "").Want(http.StatusOK)

	client := server.Client(t, s.secret)
	s.keyed = client.Post(`{"source":"s","type":"t","topic":"p","payload":{"n": 1.10, "big":12345678901234567890,"text":"\u00e9\/é"}}`, "Idempotency-Key", "k")
	acknowledged, deleted := client.Post(`{"payload":{"a": 1}}`), client.Post(`{"payload":{"b": 1}}`, "Idempotency-Key", "of the deleted")
	client.Do(http.MethodPost, "/inbox/"+acknowledged+"/ack", "").Want(http.StatusOK)
	client.Do(http.MethodDelete, "/inbox/"+deleted, "").Want(http.StatusOK)
	send(t, client, 600) // more than one page
	s.newest = server.Client(t, harness.Key).Post(`{"payload":{}}`, "X-Idempotency-Key", "k")
	server.Stop() // with it the key's last use is noted

	server, _ = administeredIn(t, server.Dir, onSQLite...)
	for _, tenant := range []string{"acme", "idle", "tenant_a", "tenant_b"} {
		s.exports[tenant] = export(t, server, tenant)
	}
	server.Stop()
	return s
}

// sameAs fails the test unless a server has all that the source had.
func (s *source) sameAs(t *testing.T, server *harness.Server) {
	t.Helper()
	for name, want := range s.exports {
		if got := export(t, server, name); lasting(got) != lasting(want) {
			t.Errorf("%s is\n%.2000s\nwas\n%.2000s", name, got, want)
		}
	}
	client := server.Client(t, s.secret)
	again := client.Do(http.MethodPost, "/events",
		`{"source":"s","type":"t","topic":"p","payload":{"n": 1.10, "big":12345678901234567890,"text":"\u00e9\/é"}}`, "Idempotency-Key", "k").Want(http.StatusOK)
	if again.Text("id") != s.keyed || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the idempotency key is forgotten: %s", again.Body)
	}
	client.Do(http.MethodPost, "/events", `{"payload":{}}`, "X-Idempotency-Key", "of the deleted").WantError(http.StatusConflict, "DUPLICATE_EVENT")
	client.Do(http.MethodPost, "/events", `{"payload":{}}`, "Idempotency-Key", "k").WantError(http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	client.Do(http.MethodGet, "/usage", "").Want(http.StatusOK)
}

// changing are the fields of an export that a copy to where it was copied before, or using it, changes.
var changing = regexp.MustCompile(`"(updatedAt|lastUsedAt)":(null|"[^"]*")`)

func lasting(export string) string { return changing.ReplaceAllString(export, `"$1":null`) }

func TestCopy(t *testing.T) {
	t.Parallel()
	from := newSource(t)
	before, err := os.ReadFile(from.server.Database())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copied := copyAll(t, from.server, dir).ok(t)
	if !strings.Contains(copied.stdout, "copied 5 tenants, 2 API keys, 604 events and 3 idempotency keys") {
		t.Errorf("%+v", copied)
	}
	if after, err := os.ReadFile(from.server.Database()); err != nil || !bytes.Equal(before, after) {
		t.Errorf("what was copied from is another than before (%v)", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 1 {
		t.Errorf("%v is left (%v)", left, err)
	}
	server, admin := administeredIn(t, dir)
	if keys := listKeys(t, admin, "acme", "50"); keys[0].LastUsedAt == nil || !keys[0].LastUsedAt.Equal(*readExport(t, from.exports["acme"]).keys[0].LastUsedAt) {
		t.Errorf("when the key was last used is lost: %+v", keys[0])
	}
	from.sameAs(t, server)
	later := server.Client(t, harness.Key).Post(`{"payload":{}}`)
	if later <= from.newest {
		t.Errorf("a new event has the id %s, which is not after %s", later, from.newest)
	}
	if idle := getTenant(t, admin, "idle"); !idle.Disabled {
		t.Errorf("%+v", idle)
	}
	server.Stop()

	t.Run("Again", func(t *testing.T) {
		copyAll(t, from.server, dir).ok(t)
		server, _ := administeredIn(t, dir)
		client := server.Client(t, harness.Key)
		client.Do(http.MethodGet, "/events/"+later, "").Want(http.StatusOK)
		client.Do(http.MethodDelete, "/inbox/"+later, "").Want(http.StatusOK)
		delete(from.exports, "tenant_a") // has more by now
		from.sameAs(t, server)
	})
}

// The schema of what is copied from is left as it is, and a database that is not there is not made.
func TestCopyErrNoSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ended := command(t, dir, nil, "copy", "--from", "sqlite:///nothing.db", "--to", engineURL(t, dir))
	if ended.code != 1 || !strings.Contains(ended.stderr, "nothing.db") {
		t.Errorf("%+v", ended)
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}

func TestCopyMistakes(t *testing.T) {
	t.Parallel()
	for line, says := range map[string]string{
		"":                                  "--from and --to",
		"--from=sqlite:///a.db":             "--from and --to",
		"--to=sqlite:///a.db":               "--from and --to",
		"--from=a.db --to=sqlite:///b.db":   "--from: must be",
		"--from=sqlite:///a.db --to=s3cret": "--to: must be",
		"--from=sqlite:///a.db --to=sqlite:///a.db":                   "the same database",
		"--from=postgres://a:s3cret@h/d --to=postgres://b:s3cret@h/d": "the same database",
		"--from=sqlite:///a.db --to=sqlite:///b.db more":              `"more" is not a flag`,
	} {
		dir := t.TempDir()
		ended := command(t, dir, nil, append([]string{"copy"}, strings.Fields(line)...)...)
		if ended.code != 2 || ended.stdout != "" || !strings.Contains(ended.stderr, says) || strings.Contains(ended.stderr, "s3cret") {
			t.Errorf("%s: %+v", line, ended)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left (%v)", line, left, err)
		}
	}
}

// A copy that was killed goes on where it was. Another copy does not take up what it left.
func TestCopyKilled(t *testing.T) {
	t.Parallel()
	events := many()
	server, _ := administered(t, onSQLite...)
	send(t, server.Client(t, harness.Key), events)
	want := export(t, server, "tenant_a")
	server.Stop()

	dir := t.TempDir()
	note := filepath.Join(dir, "note.json")
	args := []string{"copy", "--from", sqliteURL(server), "--to", engineURL(t, dir), "--progress", note}
	cmd, stdout, stderr := commandIn(t, dir, nil, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, "the copy to be under way", func() error {
		_, err := os.Stat(note)
		return err
	})
	_ = cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Fatalf("it was done before it could be killed: %s%s", stdout, stderr)
	}
	var progress struct{ Events int }
	content, err := os.ReadFile(note)
	if err == nil {
		err = json.Unmarshal(content, &progress)
	}
	if err != nil || progress.Events == 0 || progress.Events >= events {
		t.Fatalf("killed after %d events: %v", progress.Events, err)
	}

	elsewhere := "sqlite:///" + filepath.Join(t.TempDir(), "other.db")
	if refused := command(t, dir, nil, "copy", "--from", sqliteURL(server), "--to", elsewhere, "--progress", note); refused.code != 1 ||
		!strings.Contains(refused.stderr, note) || !strings.Contains(refused.stderr, "--progress") {
		t.Errorf("%+v", refused)
	}

	resumed := command(t, dir, nil, args...).ok(t)
	if !strings.Contains(resumed.stderr, fmt.Sprintf("going on after %d events", progress.Events)) ||
		!strings.Contains(resumed.stdout, fmt.Sprintf(" %d events", events)) {
		t.Errorf("%+v", resumed)
	}
	if _, err := os.Stat(note); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note is left: %v", err)
	}
	target, _ := administeredIn(t, dir)
	if got := export(t, target, "tenant_a"); lasting(got) != lasting(want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

// A database that a server uses is not copied from.
func TestCopyErrInUse(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: onSQLite})
	dir := t.TempDir()
	if ended := copyAll(t, server, dir); ended.code != 1 || !strings.Contains(ended.stderr, "another server is using the database") {
		t.Errorf("%+v", ended)
	}
}
