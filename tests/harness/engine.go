package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"
)

// Engine is the storage engine of the servers that tests start: what TEST_ENGINE says, sqlite when it says nothing.
func Engine() string {
	if engine := os.Getenv("TEST_ENGINE"); engine != "" {
		return engine
	}
	return "sqlite"
}

// EngineEnv is the environment, NAME=value, that has a command use the database of a directory. Each directory has its
// own, on whatever engine the tests run; SQLite's is the file data/events.db in it.
func EngineEnv(t *testing.T, dir string) []string {
	t.Helper()
	hash := sha256.Sum256([]byte(dir))
	name := "triggers_" + hex.EncodeToString(hash[:8])
	switch engine := Engine(); engine {
	case "sqlite":
		return nil
	case "postgres":
		return []string{"DATABASE_URL=" + SharedPostgres(t).Database(t, name)}
	case "dynamodb":
		return DynamoDBEnv(SharedAWS(t).Endpoint, name)
	default:
		t.Fatalf("TEST_ENGINE=%s is none of sqlite, postgres and dynamodb", engine)
		return nil
	}
}

// DynamoDBEnv is the environment that has a command use a table of a server that is not AWS's.
func DynamoDBEnv(endpoint, table string) []string {
	return []string{
		"STORAGE_BACKEND=dynamodb", "AWS_ENDPOINT_URL=" + endpoint, "AWS_DYNAMODB_TABLE=" + table, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	}
}
