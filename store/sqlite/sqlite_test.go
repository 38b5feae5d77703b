package sqlite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/sqlite"
	"github.com/triggers-api/triggers/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, IdempotencyTTL: time.Hour, AutoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T, opts storetest.Options) store.Store {
		t.Helper()
		s, err := sqlite.Open(t.Context(), sqlite.Options{
			Path: filepath.Join(t.TempDir(), "data", "events.db"), IdempotencyTTL: opts.IdempotencyTTL, AutoMigrate: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}})
}

// After a restart, ids go on from the newest that is stored, so that nothing is listed behind a reader's cursor.
func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	receipts, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: json.RawMessage(`{"n":1}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, leftover := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + leftover); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after closing", leftover)
		}
	}
	s = open(t, path)
	again, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: json.RawMessage(`{"n":2}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if again[0].ID.Compare(receipts[0].ID) <= 0 {
		t.Errorf("%s is not after %s", again[0].ID, receipts[0].ID)
	}
	if e, err := s.Event(t.Context(), "a", receipts[0].ID); err != nil || string(e.Payload) != `{"n":1}` {
		t.Errorf("%+v %v", e, err)
	}
}

func TestOpenErrInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	open(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if s, err := sqlite.Open(t.Context(), sqlite.Options{Path: name, AutoMigrate: true}); err == nil {
			_ = s.Close()
			t.Errorf("opened twice, as %s", name)
		}
	}
}

func TestOpenErrNotADatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, AutoMigrate: true}); err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
}

// What is deleted is gone from the file, not just from answers.
func TestDeleteErases(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	secret := bytes.Repeat([]byte("top secret "), 2000) // longer than a page
	receipts, err := s.Append(t.Context(), "a", []store.NewEvent{
		{Payload: json.RawMessage(`{"x":"` + string(secret) + `"}`), IdempotencyKey: "k"},
		{Payload: json.RawMessage(`{"x":"short secret"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "a", []store.EventID{receipts[0].ID, receipts[1].ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, erased := range []string{"top secret", "short secret"} {
		if bytes.Contains(content, []byte(erased)) {
			t.Errorf("%q is still in the file", erased)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlite:///./data/events.db": "./data/events.db",
		"sqlite:///events.db":        "events.db",
		"sqlite:////var/lib/e.db":    "/var/lib/e.db",
		"sqlite://events.db":         "",
		"sqlite:///":                 "",
		"sqlite:///data/":            "",
		"sqlite:///:memory:":         "",
		"sqlite:///e.db?mode=ro":     "",
		"postgres://localhost/x":     "",
		"":                           "",
	} {
		if got, err := sqlite.ParseURL(url); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
}

// A deleted payload leaves the log as well, though the server goes on and has nothing else to do.
func TestDeleteErasesLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	receipts, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: json.RawMessage(`{"x":"top secret"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "a", []store.EventID{receipts[0].ID}); err != nil {
		t.Fatal(err)
	}
	holds := func(file string) bool {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(content, []byte("top secret"))
	}
	for end := time.Now().Add(time.Minute); holds(path) || holds(path+"-wal"); {
		if time.Now().After(end) {
			t.Fatal("a minute later, the payload is still there")
		}
	}
}

// What would be written to a file that is gone would be lost, so nothing is.
func TestFileTakenAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	event := []store.NewEvent{{Payload: json.RawMessage(`{}`)}}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "a", event); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("removed: %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("check: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "a", event); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("replaced: %v", err)
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "a", event); err != nil {
		t.Errorf("back again: %v", err)
	}
}

// Others on the machine have no business in the file, whatever the umask says.
func TestPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	open(t, path)
	for _, file := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if others := info.Mode().Perm() & 0o007; others != 0 {
			t.Errorf("%s has mode %s", file, info.Mode())
		}
	}
}

// A clock that was ahead once leaves an event of the future. Ids go on after it, and keys expire by the clock all the
// same; the operator is told.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := open(t, path)
	event := []store.NewEvent{{Payload: json.RawMessage(`{}`), IdempotencyKey: "k"}}
	if _, err := s.Append(t.Context(), "a", []store.NewEvent{{Payload: json.RawMessage(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ahead := store.FirstEventID(time.Now().Add(48 * time.Hour))
	conn := transaction(t, path, `BEGIN IMMEDIATE`)
	if _, err := conn.ExecContext(t.Context(), `UPDATE events SET id = ?`, ahead[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	again, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: path, IdempotencyTTL: time.Millisecond, AutoMigrate: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if !strings.Contains(log.String(), "of the future") {
		t.Errorf("log: %s", &log)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		first, err := again.Append(t.Context(), "a", event)
		if err != nil || first[0].ID.Compare(ahead) <= 0 {
			t.Fatalf("%+v %v", first, err)
		}
		second, err := again.Append(t.Context(), "a", event)
		if err != nil {
			t.Fatal(err)
		}
		if second[0].Outcome == store.Accepted {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the key does not expire")
		}
	}
}
