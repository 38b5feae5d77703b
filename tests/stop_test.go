package tests

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// Stopping under load loses nothing that was answered, answers nothing with an error, and leaves one file.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := harness.Start(t, harness.Options{Dir: dir})
	client := server.Client(t, harness.Key)
	var mu sync.Mutex
	accepted := map[string]string{} // payload by id
	var answers atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := 0; ; n++ {
				payload := fmt.Sprintf(`{"from": %d, "n": %d}`, i, n)
				response, err := client.Try(http.MethodPost, "/events", `{"payload":`+payload+`}`)
				if err != nil {
					return // the server has closed the connection, which it may between two requests
				}
				if response.Status != http.StatusOK {
					t.Errorf("status %d: %s", response.Status, response.Body)
					return
				}
				mu.Lock()
				accepted[response.Text("id")] = payload
				mu.Unlock()
				answers.Add(1)
			}
		})
	}
	harness.Eventually(t, 30*time.Second, "the load to be under way", func() error {
		if n := answers.Load(); n < 100 {
			return fmt.Errorf("%d answers", n)
		}
		return nil
	})
	server.Stop() // fails the test unless the exit code is 0
	group.Wait()
	client.CloseIdle()

	for _, suffix := range []string{"-wal", "-shm", "-journal"} { // where there is a file at all
		if _, err := os.Stat(server.Database() + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("events.db%s is left: %v", suffix, err)
		}
	}
	sound(t, server.Database())
	holds(t, harness.Start(t, harness.Options{Dir: dir}).Client(t, harness.Key), accepted)
}

// A request that the server has begun to read is answered, however slow it is, while new connections are refused.
func TestStopWaitsForRequests(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	slow := make([]*connection, 5)
	body := `{"payload":{}}`
	for i := range slow {
		slow[i] = dial(t, server)
		slow[i].write(t, "POST /events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer "+harness.Key+"\r\n"+
			"Content-Type: application/json\r\nExpect: 100-continue\r\n"+
			fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)))
		if line := slow[i].line(t); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("the server does not want the body: %s", line)
		}
		slow[i].line(t) // the empty line
		slow[i].write(t, body[:5])
	}

	if err := syscall.Kill(server.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 20*time.Second, "new connections to be refused", func() error {
		c, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err == nil {
			_ = c.Close()
			return errors.New("one was made")
		}
		return nil
	})
	for _, c := range slow {
		c.write(t, body[5:])
		if status, answer := c.response(t); status != http.StatusOK || !strings.Contains(answer, `"evt_`) {
			t.Errorf("%d %s", status, answer)
		}
	}
	if err := server.Wait(20 * time.Second); err != nil {
		t.Errorf("ended with %v", err)
	}
	again := harness.Start(t, harness.Options{Dir: server.Dir})
	if n := len(again.Client(t, harness.Key).InboxAll()); n != len(slow) {
		t.Errorf("%d events are there, %d were answered", n, len(slow))
	}
}

// With SHUTDOWN_DELAY_SEC a stopping server says so, and goes on answering until load balancers have noticed.
func TestStopDelay(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Env: []string{"SHUTDOWN_DELAY_SEC=5"}})
	client := server.Client(t, harness.Key)
	client.Post(`{"payload":{}}`)
	if err := syscall.Kill(server.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 20*time.Second, "readiness to fail", func() error {
		if response := client.Do(http.MethodGet, "/readyz", ""); response.Text("checks.store") != "stopping" {
			return fmt.Errorf("%d %s", response.Status, response.Body)
		}
		return nil
	})
	client.Post(`{"payload":{}}`) // on a new connection, because the one before was closed with its answer
	if err := server.Wait(20 * time.Second); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// connection is for requests that no HTTP client would send.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, server *harness.Server) *connection {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &connection{Conn: c, in: bufio.NewReader(c)}
}

func (c *connection) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func (c *connection) line(t *testing.T) string {
	t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func (c *connection) response(t *testing.T) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// A client may close its half of the connection when it has sent everything, and still gets its answer.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	const body = `{"payload":{}}`
	for _, request := range []string{
		"POST /events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n%s\r\n" + body,
		"GET /inbox HTTP/1.1\r\n%s\r\n",
	} {
		for range 20 {
			c := dial(t, server)
			c.write(t, fmt.Sprintf(request, "Host: test\r\nX-API-Key: "+harness.Key+"\r\n"))
			tcp, ok := c.Conn.(*net.TCPConn)
			if !ok {
				t.Fatalf("%T", c.Conn)
			}
			if err := tcp.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if status, answer := c.response(t); status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
		}
	}
}

// Even what is about no path at all is answered in the envelope.
func TestOptionsOfServer(t *testing.T) {
	t.Parallel()
	c := dial(t, harness.Start(t, harness.Options{}))
	c.write(t, "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n")
	if status, answer := c.response(t); status != http.StatusNotFound || !strings.Contains(answer, `"NOT_FOUND"`) {
		t.Errorf("%d %s", status, answer)
	}
}
