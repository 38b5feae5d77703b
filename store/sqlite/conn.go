package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the "sqlite" driver
)

// lockedWait is how long a connection waits for a lock that another process holds, such as a restore with the sqlite3
// tool.
const lockedWait = 2 * time.Second

// open returns a pool of at most n connections that wait so long for locks, with the pragmas given. Connections are made
// when first used.
func open(path string, n int, wait time.Duration, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_pragma": append([]string{
		fmt.Sprintf("busy_timeout(%d)", wait.Milliseconds()), "cache_size(-16384)",
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
