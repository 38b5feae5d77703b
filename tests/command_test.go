package tests

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// refusal starts a server that must not start, and returns what it says.
func refusal(t *testing.T, opts harness.Options) string {
	t.Helper()
	server := harness.Launch(t, opts)
	err := server.Wait(20 * time.Second)
	exit, ok := err.(*exec.ExitError) //nolint:errorlint // as Wait returns it
	if !ok || exit.ExitCode() != 2 {
		t.Fatalf("want exit code 2, got %v\n%s%s", err, server.Log(), server.Stderr())
	}
	return server.Stderr()
}

func TestCommand(t *testing.T) {
	t.Parallel()
	run := func(args ...string) (string, int) {
		cmd := exec.Command(harness.Binary(t), args...)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as Run returns it
			return string(out), exit.ExitCode()
		}
		return string(out), 0
	}
	for line, want := range map[string]struct {
		says string
		code int
	}{
		"version":                 {"triggers ", 0},
		"help":                    {"triggers serve", 0},
		"":                        {"Usage", 2},
		"dance":                   {`unknown command "dance"`, 2},
		"serve -h":                {"--rate-limit-per-minute (RATE_LIMIT_PER_MINUTE)", 0},
		"serve --nope":            {"not defined: -nope", 2},
		"serve --port=x --nope":   {"PORT: must be a whole number", 2},
		"serve nope":              {`"nope" is not a flag`, 2},
		"serve --port=x --host=y": {"PORT: must be a whole number", 2},
	} {
		out, code := run(strings.Fields(line)...)
		if code != want.code || !strings.Contains(out, want.says) {
			t.Errorf("triggers %s: exit code %d, want %d\n%s", line, code, want.code, out)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	t.Run("AllMistakesTogether", func(t *testing.T) {
		t.Parallel()
		said := refusal(t, harness.Options{
			Env: []string{
				"PORT=http", "LOG_LEVEL=LOUD", "DEBUG=maybe", "MAX_PAYLOAD_BYTES=2000000", "RATE_LIMIT_PER_MINUTE=-1",
				"DATABASE_URL=mysql://x:s3cret@y/z", "STORAGE_BACKEND=cloud", "CORS_ALLOWED_ORIGINS=app.example.com", "API_KEYS=s3cret",
				"APP_ENV=moon", "AUTO_MIGRATE=perhaps", "ADMIN_API_KEY=s3cret", "REDIS_URL=s3cret", "IDEMPOTENCY_TTL_MIN=0",
			},
			Args: []string{"--retention-days=long"},
		})
		for _, name := range []string{
			"PORT", "LOG_LEVEL", "DEBUG", "MAX_PAYLOAD_BYTES", "RATE_LIMIT_PER_MINUTE", "DATABASE_URL", "STORAGE_BACKEND",
			"CORS_ALLOWED_ORIGINS", "API_KEYS", "APP_ENV", "AUTO_MIGRATE", "ADMIN_API_KEY", "REDIS_URL", "IDEMPOTENCY_TTL_MIN", "RETENTION_DAYS",
		} {
			if !strings.Contains(said, "\n"+name+": ") {
				t.Errorf("nothing about %s in:\n%s", name, said)
			}
		}
		if strings.Contains(said, "s3cret") {
			t.Errorf("a key is repeated:\n%s", said)
		}
	})
	t.Run("Storage", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			env  []string
			says string
		}{
			{[]string{"STORAGE_BACKEND=postgres", "DATABASE_URL="}, "DATABASE_URL: must "},
			{[]string{"STORAGE_BACKEND=postgres", "DATABASE_URL=sqlite:///./data/events.db"}, "DATABASE_URL: must begin with postgres: when STORAGE_BACKEND=postgres"},
			{[]string{"STORAGE_BACKEND=sqlite", "DATABASE_URL=postgres://u:s3cret@host/database"}, "DATABASE_URL: must begin with sqlite:"},
			{[]string{"DATABASE_URL=postgres://u:s3cret@host:port/database"}, "DATABASE_URL: "},
			{[]string{"API_KEYS=k=a/b"}, `API_KEYS: the tenant of a pair must be 1 to 128 characters of visible ASCII without "/"`},
		} {
			if said := refusal(t, harness.Options{Env: c.env}); !strings.Contains(said, c.says) || strings.Contains(said, "s3cret") {
				t.Errorf("%v: %s", c.env, said)
			}
		}
	})
	t.Run("Production", func(t *testing.T) {
		t.Parallel()
		production := "APP_ENV=production"
		for keys, says := range map[string]string{
			"API_KEYS=dev_key_123=tenant_dev":          "API_KEYS: must not contain the development key",
			"API_KEYS=other=tenant,dev_key_123=tenant": "API_KEYS: must not contain the development key",
		} {
			if said := refusal(t, harness.Options{Env: []string{production, keys}}); !strings.Contains(said, says) {
				t.Errorf("%s: %s", keys, said)
			}
		}
		// Without API_KEYS there are the keys in the store, and no development key.
		server := harness.Start(t, harness.Options{Env: []string{"APP_ENV=PRODUCTION", "API_KEYS="}})
		server.Client(t, "dev_key_123").Do(http.MethodGet, "/inbox", "").WantError(http.StatusUnauthorized, "UNAUTHORIZED")
		server = harness.Start(t, harness.Options{Env: []string{production}})
		server.Client(t, harness.Key).Post(`{"payload":{}}`)
		if greeting := server.Stderr(); strings.Contains(greeting, "key") {
			t.Errorf("%s", greeting)
		}
	})
	t.Run("Development", func(t *testing.T) {
		t.Parallel()
		server := harness.Start(t, harness.Options{Env: []string{"API_KEYS="}})
		server.Client(t, "dev_key_123").Post(`{"payload":{}}`)
		if greeting := server.Stderr(); !strings.Contains(greeting, server.URL+"/docs") || !strings.Contains(greeting, "dev_key_123") {
			t.Errorf("the greeting does not say where to go: %s", greeting)
		}
	})
	t.Run("DotEnv", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write := func(content string) {
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// As prd.md has it: comments behind values, empty values, what is not ours.
		write("IDEMPOTENCY_TTL_MIN=60\nMAX_PAYLOAD_BYTES=100           # bytes\nRATE_LIMIT_PER_MINUTE=1\nHOST=\nAWS_REGION=us-east-1\n" +
			"DATABASE_URL=\"sqlite:///./elsewhere/e.db\"\n")
		server := harness.Start(t, harness.Options{Dir: dir}) // whose environment has RATE_LIMIT_PER_MINUTE=0
		client := server.Client(t, harness.Key)
		client.Do(http.MethodPost, "/events", padded(101)).WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
		client.Post(padded(100))
		client.Post(padded(100))
		if _, err := os.Stat(filepath.Join(dir, "elsewhere", "e.db")); err != nil {
			t.Error(err)
		}
		server.Stop()
		server = harness.Start(t, harness.Options{Dir: dir, Args: []string{"--max-payload-bytes", "200"}})
		server.Client(t, harness.Key).Post(padded(200)) // a flag beats both
		server.Stop()
		write("API_KEYS='s3cret\nnonsense")
		if said := refusal(t, harness.Options{Dir: dir}); !strings.Contains(said, ".env") || strings.Contains(said, "s3cret") {
			t.Errorf("%s", said)
		}
	})
	t.Run("Example", func(t *testing.T) {
		t.Parallel()
		example, err := os.ReadFile(filepath.Join(harness.Root(), ".env.example"))
		if err != nil {
			t.Fatal(err)
		}
		help, err := exec.Command(harness.Binary(t), "serve", "-h").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(help)) {
			if _, rest, ok := strings.Cut(line, "("); ok && strings.HasPrefix(line, "  --") {
				if name, _, _ := strings.Cut(rest, ")"); !strings.Contains(string(example), "\n"+name+"=") {
					t.Errorf("%s is missing in .env.example", name)
				}
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".env"), example, 0o600); err != nil {
			t.Fatal(err)
		}
		harness.Start(t, harness.Options{Dir: dir})
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: []string{"RETENTION_DAYS=0"}})
	client := server.Client(t, harness.Key)
	id := client.Post(`{"payload":{}}`)
	server.Stop()
	age(t, server.Database(), id, 91*24*time.Hour)

	kept := harness.Start(t, harness.Options{Dir: server.Dir, Env: []string{"RETENTION_DAYS=92"}})
	if events := kept.Client(t, harness.Key).InboxAll(); len(events) != 1 {
		t.Fatalf("%+v", events)
	}
	kept.Stop()
	purged := harness.Start(t, harness.Options{Dir: server.Dir}) // 90 days
	harness.Eventually(t, 20*time.Second, "the event to be purged", func() error {
		if events := purged.Client(t, harness.Key).InboxAll(); len(events) > 0 {
			return os.ErrExist
		}
		return nil
	})
}
