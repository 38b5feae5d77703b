package tests

import (
	"database/sql"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make events old

	"github.com/triggers-api/triggers/store"
)

// age makes an event of a stopped server older than it is.
func age(t *testing.T, database, id string, by time.Duration) {
	t.Helper()
	db, err := sql.Open("sqlite", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	young, err := store.ParseEventID(id)
	if err != nil {
		t.Fatal(err)
	}
	old := store.FirstEventID(young.Time().Add(-by))
	copy(old[6:], young[6:])
	result, err := db.Exec(`UPDATE events SET id = ? WHERE id = ?`, old[:], young[:])
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
}
