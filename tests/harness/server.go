package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Key and OtherKey are API keys of two tenants that every started server knows.
const (
	Key         = "test-key-of-a"
	SecondKey   = "second-key-of-a"
	OtherKey    = "test-key-of-b"
	DisabledKey = "test-key-of-c"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
)

// Server is a running server.
type Server struct {
	URL string
	Dir string // working directory; its database is the engine's, see EngineEnv

	t    *testing.T
	env  []string
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  strings.Builder
	errs strings.Builder
	done chan struct{}
	err  error
}

// Options says how to start a server. The zero value is fine.
type Options struct {
	// Dir is the working directory; a fresh one when empty.
	Dir string
	// Env is added to the environment, NAME=value.
	Env []string
	// Args are flags of serve.
	Args []string
	// Attr is for tests that run the server as someone else.
	Attr *syscall.SysProcAttr
	// Wrap comes before the server's command line, to run it inside something else.
	Wrap []string
}

// Start starts a server and waits until it is ready. It is stopped when the test ends, and the test fails if it then
// does not end with exit code 0.
func Start(t *testing.T, opts Options) *Server {
	t.Helper()
	return start(t, opts, "/readyz")
}

// StartUnready is Start for a server that is not ready, for what is wrong with its database.
func StartUnready(t *testing.T, opts Options) *Server {
	t.Helper()
	return start(t, opts, "/livez")
}

func start(t *testing.T, opts Options, probe string) *Server {
	t.Helper()
	s := Launch(t, opts)
	s.waitUntilUp(probe)
	t.Cleanup(func() { s.Stop() })
	return s
}

// Launch starts a server without waiting for it. The caller has to end it.
func Launch(t *testing.T, opts Options) *Server {
	t.Helper()
	s := &Server{t: t, Dir: opts.Dir, env: opts.Env, done: make(chan struct{})}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	line := append(append(opts.Wrap, Binary(t), "serve"), opts.Args...)
	s.cmd = exec.Command(line[0], line[1:]...)
	s.cmd.Dir = s.Dir
	s.cmd.SysProcAttr = opts.Attr
	s.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "GOCOVERDIR=" + os.Getenv("SERVER_COVERDIR"), "HOME=" + os.Getenv("HOME"),
		"PORT=0", "RATE_LIMIT_PER_MINUTE=0", "DISABLED_TENANTS=tenant_c",
		"API_KEYS=" + Key + "=tenant_a," + SecondKey + "=tenant_a," + OtherKey + "=tenant_b," + DisabledKey + "=tenant_c",
	}, append(EngineEnv(t, s.Dir), opts.Env...)...)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { s.collect(bufio.NewScanner(stdout), &s.out) })
	readers.Go(func() { s.collect(bufio.NewScanner(stderr), &s.errs) })
	go func() {
		readers.Wait()
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	return s
}

func (s *Server) collect(lines *bufio.Scanner, into *strings.Builder) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mu.Lock()
		into.WriteString(lines.Text() + "\n")
		s.mu.Unlock()
	}
}

// Log is what the server has written to standard output so far: its log.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// Stderr is what the server has written to standard error so far.
func (s *Server) Stderr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs.String()
}

// LogLines are the server's log lines, decoded. It needs LOG_FORMAT=json, the default.
func (s *Server) LogLines() []map[string]any {
	var lines []map[string]any
	for text := range strings.Lines(s.Log()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			s.t.Errorf("log line is not JSON: %s", text)
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *Server) waitUntilUp(probe string) {
	s.t.Helper()
	Eventually(s.t, startTimeout, "the server to answer", func() error {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended: %v\n%s%s", s.err, s.Log(), s.Stderr())
		default:
		}
		for _, line := range s.LogLines() {
			if line["msg"] == "listening" {
				s.URL = fmt.Sprintf("http://%v", line["address"])
			}
		}
		if s.URL == "" {
			return errors.New("no address yet")
		}
		response, err := http.Get(s.URL + probe)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s answers %d", probe, response.StatusCode)
		}
		return errors.Join(err, response.Body.Close())
	})
}

// Stop sends SIGTERM and waits for the end. The test fails if that takes too long or the exit code is not 0.
func (s *Server) Stop() {
	s.t.Helper()
	select {
	case <-s.done:
		return
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.Wait(stopTimeout); err != nil {
		s.t.Errorf("the server did not stop in order: %v\n%s", err, tail(s.Log()+s.Stderr()))
	}
}

// Kill sends SIGKILL and waits for the end.
func (s *Server) Kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	_ = s.Wait(stopTimeout)
}

// Wait waits for the server to end by itself and returns how it ended. It is killed when that takes too long.
func (s *Server) Wait(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		_ = s.cmd.Process.Kill()
		<-s.done
		return ctx.Err()
	}
}

// Env is what Options.Env was, for another server of the same kind.
func (s *Server) Env() []string { return s.env }

// Pid is the process's id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Database is the path of the database file, on SQLite.
func (s *Server) Database() string { return filepath.Join(s.Dir, "data", "events.db") }

func tail(s string) string {
	const most = 8000
	return s[max(0, len(s)-most):]
}

// Eventually calls probe until it returns nil, and fails the test with its last error when that takes too long.
func Eventually(t *testing.T, timeout time.Duration, what string, probe func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := probe()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", timeout, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
