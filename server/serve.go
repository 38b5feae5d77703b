package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/triggers-api/triggers/api"
	"github.com/triggers-api/triggers/store"
)

// Bounds of the HTTP server. A client that is slower than these is cut off.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 20 * time.Second
	requestTimeout    = 20 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 64 << 10
	// stopTimeout is how long requests in flight may take after SIGTERM: longer than a body may take to arrive, so that
	// one stalled upload does not make stopping fail.
	stopTimeout = 25 * time.Second
)

// spareThreads is how many threads may run Go code beyond the number of cores, where GOMAXPROCS says nothing: the store's
// writer spends most of its time in fsync, and until the runtime notices, that takes a core's place from the others.
const spareThreads = 2

// Pace of the garbage collector where GOGC and GOMEMLIMIT say nothing: a server of many short requests has little live
// memory, so collecting half as often costs little; the limit makes it careful when there is much.
const (
	gcPercent   = 400
	memoryLimit = 1 << 30
)

// serve runs the server until ctx ends, then stops it in order: no new requests, those in flight finish, the store is
// closed, the log is written out.
func serve(ctx context.Context, cfg *config, stdout, stderr io.Writer) (err error) {
	tune(os.Getenv)
	log := newLog(stdout, cfg)
	defer log.close()

	shared, err := connectRedis(ctx, cfg, log.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.close()) }()

	keep := &retention{standard: days(cfg.retentionDays)}
	opening := startOpening(func(ctx context.Context) (store.Store, error) {
		s, err := openStore(ctx, cfg, keep.of, log.Logger)
		if err != nil {
			return nil, err
		}
		return shared.remember(s), nil
	}, cfg.storage.engine.patience(), log.Logger)
	defer func() { err = errors.Join(err, opening.close()) }()
	select {
	case err := <-opening.failed:
		return err
	default:
	}

	house := newHousekeeper(opening.Store, keep, log.Logger)
	handler, err := api.New(api.Config{
		Store: opening.Store, TenantByKey: cfg.apiKeys, DisabledTenants: cfg.disabledTenants, AdminKey: cfg.adminKey,
		EraseSoon: house.eraseSoon, Limiter: shared.limiter, RateLimitPerMinute: cfg.rateLimitPerMinute,
		Logger: log.Logger, Version: version, AllowedOrigins: cfg.allowedOrigins,
		MaxPayloadBytes: int64(cfg.maxPayloadBytes), MaxBatchBytes: int64(cfg.maxBatchBytes),
		RequestTimeout: requestTimeout,
	})
	if err != nil {
		return err
	}
	defer house.start(handler.NoteKeyUses)()

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(cfg.host, strconv.Itoa(cfg.port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, DisableGeneralOptionsHandler: true, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	_, unready := opening.Store()
	greet(stderr, cfg, listener.Addr(), unready == nil)
	log.Info("listening", "address", listener.Addr().String(), "version", version, "storage", cfg.storage.engine.backend)

	if _, ok := cfg.apiKeys[developmentKey]; ok && !loopback(listener.Addr()) {
		log.Warn("the development key is known to everybody, and this address is not only this machine's")
	}

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case err := <-opening.failed:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	log.Info("stopping")
	handler.Stop()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(cfg.shutdownDelay()):
	}
	deadline, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		_ = server.Close()
		return fmt.Errorf("requests were still in flight after %s: %w", stopTimeout, err)
	}
	log.Info("stopped")
	return nil
}

// tune sets what the runtime does by default, where the environment does not.
func tune(getenv func(string) string) {
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareThreads)
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

func loopback(address net.Addr) bool {
	listening, err := netip.ParseAddrPort(address.String())
	return err == nil && listening.Addr().IsLoopback()
}

// greet tells a person at a terminal where to go next, or why not yet.
func greet(out io.Writer, cfg *config, address net.Addr, ready bool) {
	if !ready {
		fmt.Fprintln(out, "Waiting for the database; /readyz and the log say why.")
		return
	}
	listening, err := netip.ParseAddrPort(address.String())
	if err != nil || cfg.production() {
		return
	}
	url := baseURL(listening)
	fmt.Fprintf(out, "\n  Triggers API %s\n  Swagger UI  %s/docs\n", version, url)
	if _, ok := cfg.apiKeys[developmentKey]; ok {
		fmt.Fprintf(out, "  API key     %s (development only)\n\n  Try it:\n"+
			"  curl %s/events -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\\n"+
			"       -d '{\"type\": \"invoice.paid\", \"payload\": {\"amount\": 4200}}'\n", developmentKey, url, developmentKey)
	}
	fmt.Fprintln(out)
}
