package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
	"github.com/triggers-api/triggers/store/postgres"
	"github.com/triggers-api/triggers/store/sqlite"
)

// The storage engines, as STORAGE_BACKEND has them.
const (
	backendSQLite   = "sqlite"
	backendPostgres = "postgres"
	backendDynamoDB = "dynamodb"
)

// engine is where events are kept.
type engine struct {
	backend                 string
	path                    string // of SQLite's file
	url                     string // of PostgreSQL's database; it may hold a password
	region, table, endpoint string // of DynamoDB; the endpoint is empty for AWS's own
}

// engineOptions are what all engines are told.
type engineOptions struct {
	idempotencyTTL time.Duration
	autoMigrate    bool
	// retention is how long a tenant's events are kept, for engines that have to know when an event comes.
	retention func(tenantID string) time.Duration
	log       *slog.Logger
}

// parseEngine reads a database URL: sqlite:///relative/path, sqlite:////absolute/path, postgres://…, or
// dynamodb://region/table, with ?endpoint=http://… for a server that is not AWS's. Errors do not repeat the URL.
func parseEngine(text string) (engine, error) {
	scheme, _, _ := strings.Cut(text, ":")
	switch scheme {
	case "sqlite":
		path, err := sqlite.ParseURL(text)
		return engine{backend: backendSQLite, path: path}, err
	case "postgres", "postgresql":
		return engine{backend: backendPostgres, url: text}, postgres.CheckURL(text)
	case "dynamodb":
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
			return engine{}, errors.New("must be dynamodb://region/table")
		}
		return engine{
			backend: backendDynamoDB, region: u.Host, table: strings.Trim(u.Path, "/"), endpoint: u.Query().Get("endpoint"),
		}, nil
	default:
		return engine{}, errors.New("must be sqlite:///relative/path, sqlite:////absolute/path, postgres://user:password@host/database or dynamodb://region/table")
	}
}

// String names the engine without secrets. It is the same for the same data.
func (e engine) String() string {
	switch e.backend {
	case backendSQLite:
		return e.backend + ":" + e.path
	case backendPostgres:
		if u, err := url.Parse(e.url); err == nil {
			place := url.Values{}
			for _, name := range []string{"host", "port", "dbname", "search_path"} {
				if value := u.Query().Get(name); value != "" {
					place.Set(name, value)
				}
			}
			return strings.TrimSuffix(e.backend+"://"+u.Host+u.Path+"?"+place.Encode(), "?")
		}
		return e.backend
	default:
		name := fmt.Sprintf("%s://%s/%s", e.backend, e.region, e.table)
		if e.endpoint != "" {
			name += "?endpoint=" + e.endpoint
		}
		return name
	}
}

// open opens the engine's store. See the engines' own Open for the errors.
func (e engine) open(ctx context.Context, o engineOptions) (store.Store, error) {
	switch e.backend {
	case backendPostgres:
		return opened(postgres.Open(ctx, e.postgres(o)))
	case backendDynamoDB:
		return opened(dynamodb.Open(ctx, e.dynamodb(o)))
	default:
		return opened(sqlite.Open(ctx, e.sqlite(o)))
	}
}

// opened keeps a nil pointer from becoming an interface that is not nil.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// patience is how long a server that starts waits for its database before it listens without: not for one over the
// network, which may be away, but for a file, which is there or not.
func (e engine) patience() time.Duration {
	if e.backend == backendSQLite {
		return openTimeout
	}
	return time.Second
}

// migrate brings the schema up to date, and returns its version before and after.
func (e engine) migrate(ctx context.Context, log *slog.Logger) (from, to int64, err error) {
	o := engineOptions{autoMigrate: true, log: log}
	switch e.backend {
	case backendPostgres:
		return postgres.Migrate(ctx, e.postgres(o))
	case backendDynamoDB:
		return dynamodb.Migrate(ctx, e.dynamodb(o))
	default:
		return sqlite.Migrate(ctx, e.sqlite(o))
	}
}

// registry is the part of a store that the command line works on.
type registry interface {
	store.Registry
	io.Closer
}

// openRegistry opens the tenants and keys. It works beside a running server.
func (e engine) openRegistry(ctx context.Context, o engineOptions) (registry, error) {
	if e.backend != backendSQLite {
		return e.open(ctx, o)
	}
	r, err := sqlite.OpenRegistry(ctx, e.sqlite(o))
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (e engine) sqlite(o engineOptions) sqlite.Options {
	return sqlite.Options{Path: e.path, IdempotencyTTL: o.idempotencyTTL, AutoMigrate: o.autoMigrate, Log: o.log}
}

func (e engine) postgres(o engineOptions) postgres.Options {
	return postgres.Options{URL: e.url, IdempotencyTTL: o.idempotencyTTL, AutoMigrate: o.autoMigrate, Log: o.log}
}

func (e engine) dynamodb(o engineOptions) dynamodb.Options {
	return dynamodb.Options{
		Region: e.region, Table: e.table, Endpoint: e.endpoint,
		IdempotencyTTL: o.idempotencyTTL, Retention: o.retention, AutoMigrate: o.autoMigrate, Log: o.log,
	}
}
