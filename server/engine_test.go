package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseEngine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sqlite:///./data/events.db":                               "sqlite:./data/events.db",
		"sqlite:////var/lib/events.db":                             "sqlite:/var/lib/events.db",
		"postgres://u:s3cret@host:5433/d?sslmode=require":          "postgres://host:5433/d",
		"postgresql://u@host/d":                                    "postgres://host/d",
		"dynamodb://eu-west-1/events":                              "dynamodb://eu-west-1/events",
		"dynamodb://eu-west-1/events?endpoint=http://localhost:81": "dynamodb://eu-west-1/events?endpoint=http://localhost:81",
		"":                                    "",
		"events.db":                           "",
		"mysql://u:s3cret@host/d":             "",
		"postgres://u:s3cret@host:port/d":     "",
		"dynamodb://eu-west-1":                "",
		"dynamodb:///events":                  "",
		"dynamodb://u:s3cret@%zz/events":      "",
		"sqlite://data/events.db?key=s3cret/": "",
	} {
		e, err := parseEngine(text)
		if (err == nil) != (want != "") || (err == nil && e.String() != want) {
			t.Errorf("%q: %q, %v", text, e, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the message repeats a secret: %v", text, err)
		}
	}
}

func TestStorageConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		storageConfig
		want string // empty for a mistake
	}{
		"Default":         {storageConfig{}, "sqlite:./data/events.db"},
		"ByURL":           {storageConfig{databaseURL: "postgres://host/d"}, "postgres://host/d"},
		"Socket":          {storageConfig{databaseURL: "postgres:///d?host=/run/a&password=s3cret"}, "postgres:///d?host=%2Frun%2Fa"},
		"SQLite":          {storageConfig{backend: backendSQLite}, "sqlite:./data/events.db"},
		"Postgres":        {storageConfig{backend: backendPostgres, databaseURL: "postgresql://host/d"}, "postgres://host/d"},
		"DynamoDB":        {storageConfig{backend: backendDynamoDB, databaseURL: "postgres://host/d", awsRegion: "r", awsTable: "t"}, "dynamodb://r/t"},
		"DynamoDBByURL":   {storageConfig{databaseURL: "dynamodb://r/t"}, "dynamodb://r/t"},
		"ErrNoPostgres":   {storageConfig{backend: backendPostgres}, ""},
		"ErrNotPostgres":  {storageConfig{backend: backendPostgres, databaseURL: "sqlite:///a.db"}, ""},
		"ErrNotSQLite":    {storageConfig{backend: backendSQLite, databaseURL: "postgres://host/d"}, ""},
		"ErrUnknown":      {storageConfig{databaseURL: "mysql://host/d"}, ""},
		"EndpointAndName": {storageConfig{backend: backendDynamoDB, awsRegion: "r", awsTable: "t.u_v-w", awsEndpoint: "http://h:1"}, "dynamodb://r/t.u_v-w?endpoint=http://h:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.resolve()
			if (err == nil) != (c.want != "") || (err == nil && c.engine.String() != c.want) {
				t.Errorf("%q, %v", c.engine, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "DATABASE_URL: ") {
				t.Errorf("the variable is not named: %v", err)
			}
		})
	}
}

func TestCopyProgress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "note.json")
	p, err := readCopyProgress(file, "a", "b")
	if err != nil || p.Tenant != "" {
		t.Fatalf("%+v, %v", p, err)
	}
	p.Tenant, p.Step, p.After, p.Events = "t", 2, `k "é`, 7
	if err := p.write(); err != nil {
		t.Fatal(err)
	}
	if again, err := readCopyProgress(file, "a", "b"); err != nil || *again != *p {
		t.Errorf("%+v, %v", again, err)
	}
	for _, other := range [][2]string{{"a", "c"}, {"c", "b"}, {"b", "a"}} {
		if _, err := readCopyProgress(file, other[0], other[1]); err == nil || !strings.Contains(err.Error(), "from a to b") {
			t.Errorf("%v: %v", other, err)
		}
	}
	for range 2 {
		if err := p.remove(); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readCopyProgress(file, "a", "b"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}
