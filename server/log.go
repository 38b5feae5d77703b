package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/triggers-api/triggers/gen"
)

// serverLog is a logger whose lines are written by a goroutine of its own, so that no request waits for a slow terminal or
// disk.
type serverLog struct {
	*slog.Logger
	out *lineBuffer
}

func newLog(out io.Writer, cfg *config) *serverLog {
	handler := func(w io.Writer) slog.Handler {
		options := &slog.HandlerOptions{Level: logLevel(cfg)}
		if cfg.logFormat == "text" {
			return timestamps{slog.NewTextHandler(w, options)}
		}
		return timestamps{slog.NewJSONHandler(w, options)}
	}
	buffer := newLineBuffer(out, slog.New(handler(out)))
	return &serverLog{Logger: slog.New(handler(buffer)), out: buffer}
}

func (l *serverLog) close() { l.out.close() }

func logLevel(cfg *config) slog.Level {
	if cfg.debug {
		return slog.LevelDebug
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.logLevel)) // configure takes no other words
	return level
}

// timestamps calls a line's time "timestamp" and gives it in UTC with milliseconds, as the API's own times are. (The
// handlers' ReplaceAttr could too, but is called for every attribute of every line.)
type timestamps struct{ slog.Handler }

func (t timestamps) Handle(ctx context.Context, line slog.Record) error {
	if line.Time.IsZero() {
		return t.Handler.Handle(ctx, line)
	}
	at := gen.MilliTime{Time: line.Time}.String()
	stamped := slog.NewRecord(time.Time{}, line.Level, line.Message, line.PC)
	stamped.AddAttrs(slog.String("timestamp", at))
	line.Attrs(func(a slog.Attr) bool {
		stamped.AddAttrs(a)
		return true
	})
	return t.Handler.Handle(ctx, stamped)
}

func (t timestamps) WithAttrs(attrs []slog.Attr) slog.Handler {
	return timestamps{t.Handler.WithAttrs(attrs)}
}

func (t timestamps) WithGroup(name string) slog.Handler {
	return timestamps{t.Handler.WithGroup(name)}
}

const (
	// flushEvery is how long a line may wait.
	flushEvery = 50 * time.Millisecond
	// bufferBytes is how much may wait; lines beyond it are dropped and counted.
	bufferBytes = 4 << 20
)

// lineBuffer takes lines in memory and writes them from a goroutine of its own. When the output cannot keep up, lines
// are dropped rather than held for, and the output says how many.
type lineBuffer struct {
	out  io.Writer
	warn *slog.Logger // writes to out

	mu      sync.Mutex
	waiting []byte
	dropped int
	closed  bool

	wake chan struct{}
	done chan struct{}
}

func newLineBuffer(out io.Writer, warn *slog.Logger) *lineBuffer {
	b := &lineBuffer{out: out, warn: warn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.run()
	return b
}

// Write implements io.Writer. It never blocks and never fails.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	first := len(b.waiting) == 0
	if len(b.waiting)+len(line) > bufferBytes {
		b.dropped++
	} else {
		b.waiting = append(b.waiting, line...)
	}
	b.mu.Unlock()
	if first {
		b.signal()
	}
	return len(line), nil
}

func (b *lineBuffer) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *lineBuffer) run() {
	defer close(b.done)
	var spare []byte
	for range b.wake {
		lines, dropped, closed := b.take(spare)
		if len(lines) > 0 {
			_, _ = b.out.Write(lines) // where would a failure to log be logged?
		}
		if dropped > 0 {
			b.warn.Warn("log lines dropped", "count", dropped)
		}
		if closed {
			return
		}
		spare = lines[:0]
		time.Sleep(flushEvery) // lets lines gather
	}
}

func (b *lineBuffer) take(spare []byte) (lines []byte, dropped int, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines, dropped = b.waiting, b.dropped
	b.waiting, b.dropped = spare, 0
	return lines, dropped, b.closed
}

// closeWait is how long closing waits for an output that takes nothing.
const closeWait = 2 * time.Second

// close writes out what waits and ends the goroutine.
func (b *lineBuffer) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
	select {
	case <-b.done:
	case <-time.After(closeWait):
	}
}
