package harness

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// redisDatabases is how many databases a RedisServer has.
const redisDatabases = 256

// RedisServer is a Redis of the test's own that keeps nothing on disk.
type RedisServer struct {
	// URL is its database 0.
	URL string

	t         *testing.T
	path      string
	dir       string
	port      int
	databases atomic.Int64
	cmd       *exec.Cmd
}

// StartRedis starts a Redis on a free port and waits until it answers. It ends with the test.
func StartRedis(t *testing.T) *RedisServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{
		URL: fmt.Sprintf("redis://127.0.0.1:%d", port),
		t:   t, path: Install(t, "redis-server", "redis-server"), dir: t.TempDir(), port: port,
	}
	t.Cleanup(r.Stop)
	r.Start()
	return r
}

// NewDatabase returns the URL of a database that this was not called for before, so that tests can share a server.
func (r *RedisServer) NewDatabase() string {
	r.t.Helper()
	n := r.databases.Add(1)
	if n >= redisDatabases {
		r.t.Fatalf("a test's Redis has only %d databases", redisDatabases)
	}
	return fmt.Sprintf("%s/%d", r.URL, n)
}

// Start starts Redis again after Stop, on the same port and empty.
func (r *RedisServer) Start() {
	r.t.Helper()
	log := filepath.Join(r.dir, "redis.log")
	r.cmd = exec.Command(r.path, "--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--logfile", log,
		"--save", "", "--appendonly", "no", "--databases", strconv.Itoa(redisDatabases))
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	Eventually(r.t, startTimeout, "Redis to answer", func() error {
		err := r.ping()
		if err != nil {
			text, _ := os.ReadFile(log)
			return fmt.Errorf("%w\n%s", err, tail(string(text)))
		}
		return nil
	})
}

func (r *RedisServer) ping() error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.port), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+PONG\r\n" {
		err = fmt.Errorf("it answers %q", answer)
	}
	return err
}

// Stop kills Redis, with all it knows. Stopping again does nothing.
func (r *RedisServer) Stop() {
	r.t.Helper()
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Errorf("stop Redis: %v", err)
	}
	_ = r.cmd.Wait() // it was killed
	r.cmd = nil
}

// Pause has Redis accept connections and answer nothing, until Resume.
func (r *RedisServer) Pause() { r.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (r *RedisServer) Resume() { r.signal(syscall.SIGCONT) }

func (r *RedisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}
