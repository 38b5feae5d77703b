package tests

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// A full disk is the store being unavailable for a while: nothing that was answered is lost, and the server goes on by
// itself when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	server, data := onSmallDisk(t)
	client := server.Client(t, harness.Key)
	other := filepath.Join(data, "other") // what else is on the disk
	if err := os.WriteFile(other, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	accepted := fill(t, client)

	// What is left is too little for a large event but may do for a small one, so take it away too.
	if err := os.WriteFile(filepath.Join(data, "more"), make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	harness.Eventually(t, 30*time.Second, "nothing to fit in", func() error {
		if post := client.Do(http.MethodPost, "/events", `{"payload":{}}`); post.Status == http.StatusOK {
			accepted[post.Text("id")] = `{}`
			return errors.New("an event was accepted")
		}
		return unhealthy(client)
	})
	refused(t, client.Do(http.MethodPost, "/events", `{"payload":{}}`))
	refused(t, client.Do(http.MethodPost, "/inbox/"+slices.Collect(maps.Keys(accepted))[0]+"/ack", ""))
	client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK)
	holds(t, client, accepted)

	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	accepted[client.Post(`{"payload":{}}`)] = `{}`
	healthy(t, client)
	holds(t, client, accepted)
}

// onSmallDisk starts a server whose data directory is a file system of 4 MiB, and returns the path at which others
// find that directory.
func onSmallDisk(t *testing.T) (*harness.Server, string) {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o750); err != nil {
		t.Fatal(err)
	}
	unshare := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	server := harness.Start(t, harness.Options{
		Dir:  dir,
		Wrap: append(unshare, "sh", "-c", `mount -t tmpfs -o size=4m tmpfs data && exec "$0" "$@"`),
	})
	return server, filepath.Join(fmt.Sprintf("/proc/%d/root", server.Pid()), data)
}

// fill sends large events from several clients until each is told that there is no room, and returns the payloads that
// were accepted, by id.
func fill(t *testing.T, client *harness.Client) map[string]string {
	t.Helper()
	var mu sync.Mutex
	accepted := map[string]string{}
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := 0; ; n++ {
				payload := fmt.Sprintf(`{"from":%d,"n":%d,"x":"%s"}`, i, n, strings.Repeat("x", 200_000))
				response, err := client.Try(http.MethodPost, "/events", `{"payload":`+payload+`}`)
				if err != nil {
					t.Error(err)
					return
				}
				if response.Status != http.StatusOK {
					refused(t, response)
					return
				}
				mu.Lock()
				accepted[response.Text("id")] = payload
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return accepted
}

// holds fails the test unless the inbox has the events, by id, with their payloads.
func holds(t *testing.T, client *harness.Client, events map[string]string) {
	t.Helper()
	missing := maps.Clone(events)
	for _, e := range client.InboxAll() {
		if payload, ok := missing[e.ID]; ok && string(e.Payload) != payload {
			t.Errorf("%s has another payload", e.ID)
		}
		delete(missing, e.ID)
	}
	for id := range missing {
		t.Errorf("%s is lost", id)
	}
}

// A database that may not be written is still read, and written again as soon as it may be.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	opts := asSomeone(t)
	server := harness.Start(t, opts)
	id := server.Client(t, harness.Key).Post(`{"payload":{"first":true}}`)
	server.Stop()

	chmod(t, server.Database(), 0o444)
	server = harness.StartUnready(t, opts)
	client := server.Client(t, harness.Key)
	refused(t, client.Do(http.MethodPost, "/events", `{"payload":{}}`))
	refused(t, client.Do(http.MethodDelete, "/inbox/"+id, ""))
	client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK)
	if err := unhealthy(client); err != nil {
		t.Error(err)
	}
	holds(t, client, map[string]string{id: `{"first":true}`})

	chmod(t, server.Database(), 0o644)
	writable(t, client)
	holds(t, client, map[string]string{id: `{"first":true}`})
}

// A server that ran while the database was read-only leaves nothing behind that keeps the next one from writing.
func TestReadOnlyDatabaseRepaired(t *testing.T) {
	t.Parallel()
	opts := asSomeone(t)
	for _, mode := range []os.FileMode{0o444, 0o644} {
		server := harness.StartUnready(t, opts)
		server.Stop()
		chmod(t, server.Database(), mode)
	}
	writable(t, harness.Start(t, opts).Client(t, harness.Key))
}

// Without a directory to write its log into, SQLite cannot even read.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	opts := asSomeone(t)
	server := harness.Start(t, opts)
	server.Stop()
	data := filepath.Dir(server.Database())
	chmod(t, data, 0o555)
	server = harness.Launch(t, opts)
	wantExit(t, server, 1)
	if !strings.Contains(server.Stderr(), "readonly") {
		t.Errorf("stderr: %s", server.Stderr())
	}
	chmod(t, data, 0o755)
	harness.Start(t, opts).Client(t, harness.Key).Post(`{"payload":{}}`)
}

// Two servers on one database would hand out ids in the wrong order.
func TestSecondServerOnOneDatabase(t *testing.T) {
	t.Parallel()
	first := harness.Start(t, harness.Options{})
	client := first.Client(t, harness.Key)
	client.Post(`{"payload":{}}`)
	second := harness.Launch(t, harness.Options{Dir: first.Dir})
	wantExit(t, second, 1)
	if !strings.Contains(second.Stderr(), "another server is using the database") || second.Log() != "" {
		t.Errorf("stderr: %s\nlog: %s", second.Stderr(), second.Log())
	}
	client.Post(`{"payload":{}}`)
	if n := len(client.InboxAll()); n != 2 {
		t.Errorf("%d events in the inbox", n)
	}
}

// asSomeone is how to start servers on one directory as a user whom file modes bind, as they do not bind root.
func asSomeone(t *testing.T) harness.Options {
	t.Helper()
	opts := harness.Options{Dir: t.TempDir()}
	if os.Geteuid() == 0 {
		const nobody = 65534
		opts.Attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(opts.Dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		chmod(t, filepath.Dir(opts.Dir), 0o755)
	}
	return opts
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless the answer says that the store is unavailable, and when to try again.
func refused(t *testing.T, response *harness.Response) {
	t.Helper()
	if response.Status != http.StatusServiceUnavailable || response.Text("error.code") != "UNAVAILABLE" || response.Header.Get("Retry-After") == "" {
		t.Errorf("want 503 UNAVAILABLE: %d %v %s", response.Status, response.Header, response.Body)
	}
}

func unhealthy(client *harness.Client) error {
	for _, path := range []string{"/health", "/readyz"} {
		response := client.Do(http.MethodGet, path, "")
		if response.Status != http.StatusServiceUnavailable || !bytes.Contains(response.Body, []byte(`"unavailable"`)) {
			return fmt.Errorf("%s: %d %s", path, response.Status, response.Body)
		}
	}
	return nil
}

// healthy waits for health checks to find that the store works, which may take as long as they keep a finding.
func healthy(t *testing.T, client *harness.Client) {
	t.Helper()
	harness.Eventually(t, 10*time.Second, "the server to be healthy", func() error {
		for _, path := range []string{"/health", "/readyz"} {
			if response := client.Do(http.MethodGet, path, ""); response.Status != http.StatusOK {
				return fmt.Errorf("%s: %d %s", path, response.Status, response.Body)
			}
		}
		return nil
	})
}

// writable waits until an event is accepted. The first that comes may be how the store finds out.
func writable(t *testing.T, client *harness.Client) {
	t.Helper()
	harness.Eventually(t, 10*time.Second, "an event to be accepted", func() error {
		response := client.Do(http.MethodPost, "/events", `{"payload":{}}`)
		if response.Status != http.StatusOK {
			return fmt.Errorf("%d %s", response.Status, response.Body)
		}
		return nil
	})
	healthy(t, client)
}

// wantExit waits for a server to end by itself, and fails the test unless it ends with the given code.
func wantExit(t *testing.T, server *harness.Server, code int) {
	t.Helper()
	var exit *exec.ExitError
	if err := server.Wait(30 * time.Second); !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("ended with %v, want exit code %d\n%s", err, code, server.Stderr())
	}
}
