package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// held is an output that does not take anything until it is let go.
type held struct {
	release chan struct{}
	mu      sync.Mutex
	written bytes.Buffer
}

func (h *held) Write(b []byte) (int, error) {
	<-h.release
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.written.Write(b)
}

// An output that is stuck holds up nobody; what does not fit is dropped, and the log says so.
func TestLineBuffer(t *testing.T) {
	t.Parallel()
	out := &held{release: make(chan struct{})}
	buffer := newLineBuffer(out, slog.New(slog.NewJSONHandler(out, nil)))
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const sent = 3 * bufferBytes / 1024
	for range sent {
		if n, err := buffer.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	close(out.release)
	buffer.close()
	written := strings.Split(strings.TrimSpace(out.written.String()), "\n")
	var last struct {
		Level, Msg string
		Count      int
	}
	if err := json.Unmarshal([]byte(written[len(written)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, written[len(written)-1])
	}
	if last.Msg != "log lines dropped" || last.Level != "WARN" || last.Count+len(written)-1 != sent || last.Count == 0 {
		t.Errorf("%d lines sent, %d written, and then %+v", sent, len(written)-1, last)
	}
}

func TestLineBufferKeepsAll(t *testing.T) {
	t.Parallel()
	out := &held{release: make(chan struct{})}
	close(out.release)
	buffer := newLineBuffer(out, slog.New(slog.NewJSONHandler(out, nil)))
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 500 {
				_, _ = buffer.Write([]byte("a line\n"))
			}
		})
	}
	writers.Wait()
	buffer.close()
	if got := out.written.String(); got != strings.Repeat("a line\n", 4000) {
		t.Errorf("%d lines of 4000", strings.Count(got, "\n"))
	}
}
