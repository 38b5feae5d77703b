package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what a running server writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var address = regexp.MustCompile(`Swagger UI  (http://[0-9.:]+)/docs`)

// The whole server in this process: when it has stopped, none of its goroutines are left (TestMain looks).
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr output
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--port=0", "--database-url=sqlite:///" + filepath.Join(t.TempDir(), "e.db")}, &stdout, &stderr)
	}()
	var url string
	for deadline := time.Now().Add(20 * time.Second); url == ""; {
		if found := address.FindStringSubmatch(stderr.String()); found != nil {
			url = found[1]
		} else if time.Now().After(deadline) {
			t.Fatalf("no greeting: %s%s", stdout.String(), stderr.String())
		}
		runtime.Gosched()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/events", strings.NewReader(`{"payload":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", developmentKey)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%v: %d %s", err, response.StatusCode, body)
	}
	client.CloseIdleConnections()
	stop()
	select {
	case got := <-code:
		if got != 0 || !strings.Contains(stdout.String(), `"msg":"stopped"`) {
			t.Errorf("exit code %d\n%s%s", got, stdout.String(), stderr.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the server did not stop")
	}
}

func TestServeErrPortTaken(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr output
	args := []string{"serve", "--port=" + port, "--database-url=sqlite:///" + filepath.Join(t.TempDir(), "e.db")}
	if code := run(t.Context(), args, &stdout, &stderr); code != 1 || !strings.Contains(stderr.String(), "address already in use") {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
}
