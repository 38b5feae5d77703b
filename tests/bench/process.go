package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// upTimeout is how long a server may take until it answers.
	upTimeout = 30 * time.Second
	// stopTimeout is how long a server may take to end after SIGTERM before it is killed.
	stopTimeout = 30 * time.Second
	// pollEvery is how often a file is looked at for what a server wrote.
	pollEvery = 10 * time.Millisecond
)

// process is a server that runs as a child. It ends with the context it was started with, if stop was not called before.
type process struct {
	name    string
	dir     string
	cmd     *exec.Cmd
	started time.Time
	end     context.CancelFunc
	done    chan struct{} // closed when the process is gone
}

// startProcess starts a server with nothing in its environment but env. Its output goes to files in dir, as a real
// deployment's does, which is part of what is measured.
func startProcess(ctx context.Context, name, dir string, env []string, path string, args ...string) (*process, error) {
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		return nil, err
	}
	defer stdout.Close()

	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return nil, err
	}
	defer stderr.Close()

	ctx, end := context.WithCancel(ctx)
	p := &process{name: name, dir: dir, end: end, done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, path, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, env, stdout, stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	return p, nil
}

// stop ends the server in order and says if it did not end so.
func (p *process) stop() error {
	p.end()
	<-p.done // bounded by WaitDelay
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s ended with %s: %s", p.name, p.cmd.ProcessState, p.lastWords())
	}
	return nil
}

// address waits for the log line that says where the server listens.
func (p *process) address(ctx context.Context) (string, error) {
	var line struct{ Msg, Address string }
	err := p.await(ctx, pollEvery, func() bool {
		content, err := os.ReadFile(filepath.Join(p.dir, "stdout"))
		if err != nil {
			return false
		}
		for text := range bytes.Lines(content) {
			if json.Unmarshal(text, &line) == nil && line.Msg == "listening" {
				return true
			}
		}
		return false
	})
	return line.Address, err
}

// await calls ready until it returns true, the server ends, or upTimeout is over.
func (p *process) await(ctx context.Context, every time.Duration, ready func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("%s was not up after %s", p.name, upTimeout))
	defer cancel()
	for !ready() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.done:
			return fmt.Errorf("%s ended with %s: %s", p.name, p.cmd.ProcessState, p.lastWords())
		case <-time.After(every):
		}
	}
	return nil
}

// resident is the memory that the server holds, in bytes.
func (p *process) resident() (int64, error) {
	return procBytes(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid), "VmRSS")
}

// lastWords is the end of what the server wrote to standard error.
func (p *process) lastWords() string {
	const most = 2000
	content, _ := os.ReadFile(filepath.Join(p.dir, "stderr"))
	return string(content[max(0, len(content)-most):])
}
