package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// buildTimeout is how long building the server may take; the first time it builds all it depends on.
const buildTimeout = 15 * time.Minute

// developmentKey is the API key that the server knows when none is configured.
const developmentKey = "dev_key_123"

// target is a running server under test.
type target struct {
	*process

	url      string
	database database // dropped with the server; nil if that is not its own
}

// buildServer builds the server's binary into dir, as a release is built: what make build has compiled is used again.
func buildServer(ctx context.Context, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	path := filepath.Join(dir, "triggers")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path,
		"github.com/triggers-api/triggers/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
}

// launch starts the server in a directory of its own, without waiting for it. Everything is as the server has it by
// default, but for the rate limit, which would be what is measured.
func (b *bench) launch(ctx context.Context, name, databaseURL string, env ...string) (*process, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	env = append([]string{"HOST=127.0.0.1", "PORT=0", "RATE_LIMIT_PER_MINUTE=0", "DATABASE_URL=" + databaseURL}, env...)
	return startProcess(ctx, name, dir, env, b.server, "serve")
}

// startFresh starts a server on a database of its own.
func (b *bench) startFresh(ctx context.Context, e engine, name string, env ...string) (*target, error) {
	db, err := e.create(ctx, name)
	if err != nil {
		return nil, err
	}
	t, err := b.startServer(ctx, e.name+"-"+name, db.url(), env...)
	if err != nil {
		return nil, errors.Join(err, db.drop())
	}
	t.database = db
	return t, nil
}

// startServer launches the server and waits until it listens.
func (b *bench) startServer(ctx context.Context, name, databaseURL string, env ...string) (*target, error) {
	p, err := b.launch(ctx, name, databaseURL, env...)
	if err != nil {
		return nil, err
	}
	return listening(ctx, p)
}

// startBare starts the bare server and waits until it listens.
func (b *bench) startBare(ctx context.Context) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, bareCommand)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, bareCommand, dir, nil, self, bareCommand)
	if err != nil {
		return nil, err
	}
	return listening(ctx, p)
}

func listening(ctx context.Context, p *process) (*target, error) {
	address, err := p.address(ctx)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return &target{process: p, url: "http://" + address}, nil
}

// discard stops the server, tells what its log complained about, and removes its files and its database, which may be
// large.
func (t *target) discard() error {
	err := errors.Join(t.stop(), t.complaints(), os.RemoveAll(t.dir))
	if t.database != nil {
		err = errors.Join(err, t.database.drop())
	}
	return err
}
