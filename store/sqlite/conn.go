package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the "sqlite" driver
)

// open returns a pool of at most n connections with the pragmas that every connection needs, and those given.
// Connections are made when first used.
func open(path string, n int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_pragma": append([]string{
		// Wait this long for a lock that another process holds, such as a backup with the sqlite3 tool.
		"busy_timeout(2000)",
		"cache_size(-16384)",
	}, pragmas...)}
	// Only Open makes the file: one that was taken away is not to be replaced by an empty one.
	query.Set("mode", "rw")
	db, err := sql.Open("sqlite", "file:"+path+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// writing are the pragmas of connections that write. Checkpoints are the checkpointer's, so that no commit has to wait
// for one; secure_delete overwrites erased payloads.
var writing = []string{"journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)", "secure_delete(1)"}
