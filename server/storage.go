package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// defaultDatabaseURL is where events are kept when nothing else is said.
const defaultDatabaseURL = "sqlite:///./data/events.db"

// storageConfig says where events are kept. It is what the server and the other commands have in common.
type storageConfig struct {
	backend           string // empty: as DATABASE_URL says
	databaseURL       string // empty: the default of the backend
	awsRegion         string
	awsTable          string
	awsEndpoint       string
	autoMigrate       bool
	idempotencyTTLMin int

	engine engine // what all that means; set by resolve
}

func (c *storageConfig) register(s *settings) {
	s.choice(&c.backend, "STORAGE_BACKEND", "where events are kept; by default as DATABASE_URL says", "", backendSQLite, backendPostgres, backendDynamoDB)
	s.secret(&c.databaseURL, "DATABASE_URL", "sqlite:///relative/path, sqlite:////absolute/path, postgres://user:password@host/database or dynamodb://region/table (default "+defaultDatabaseURL+")")
	s.text(&c.awsRegion, "AWS_REGION", "", "for DynamoDB; by default, like the credentials, as every AWS tool finds it")
	s.text(&c.awsTable, "AWS_DYNAMODB_TABLE", "triggers_events", "the DynamoDB table")
	s.text(&c.awsEndpoint, "AWS_ENDPOINT_URL", "", "a DynamoDB that is not AWS's own, such as http://localhost:8001")
	s.flag(&c.autoMigrate, "AUTO_MIGRATE", true, "bring the database's schema up to date when starting; if not, \"triggers migrate\" does")
	s.number(&c.idempotencyTTLMin, "IDEMPOTENCY_TTL_MIN", 60, 1, 30*24*60, "how long an idempotency key is remembered, in minutes")
}

// resolve finds out which engine is meant. Its errors begin with the variable that is wrong.
func (c *storageConfig) resolve() (err error) {
	if u, err := url.Parse(c.awsEndpoint); c.awsEndpoint != "" && (err != nil || u.Host == "") {
		return errors.New("AWS_ENDPOINT_URL: must be a URL such as http://localhost:8001")
	}
	if c.backend == backendDynamoDB {
		// What DATABASE_URL says is of another environment.
		c.engine = engine{backend: backendDynamoDB, region: c.awsRegion, table: c.awsTable, endpoint: c.awsEndpoint}
		return nil
	}
	text := c.databaseURL
	switch {
	case text == "" && c.backend == backendPostgres:
		return fmt.Errorf("DATABASE_URL: must be set when STORAGE_BACKEND=%s", c.backend)
	case text == "":
		text = defaultDatabaseURL
	}
	if c.engine, err = parseEngine(text); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	if c.backend != "" && c.backend != c.engine.backend {
		return fmt.Errorf("DATABASE_URL: must begin with %s: when STORAGE_BACKEND=%s", strings.ToLower(c.backend), c.backend)
	}
	return nil
}

func (c *storageConfig) idempotencyTTL() time.Duration {
	return time.Duration(c.idempotencyTTLMin) * time.Minute
}
