package postgres

import (
	"errors"
	"maps"
	"net/url"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	// pingTimeout bounds the look at a connection that was idle for a while.
	pingTimeout = 2 * time.Second
)

// settings are what each connection asks of the server, unless the URL asks for something else.
var settings = map[string]string{
	"application_name": "triggers",

	// What was answered survives a crash, whatever the database's default is.
	"synchronous_commit": "on",

	// A server that is frozen or cut off must not hold the others up for long. Locks are waited for longer than an idle
	// transaction may hold them.
	"idle_in_transaction_session_timeout": "3s",
	"lock_timeout":                        "5s",
	"statement_timeout":                   "10s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",

	// Each statement here has one good plan: along an index, in its order. The statistics of an inbox, which fills and
	// empties faster than they are taken, would now and then suggest others.
	"plan_cache_mode":   "force_generic_plan",
	"enable_seqscan":    "off",
	"enable_bitmapscan": "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"jit":               "off",
}

// CheckURL tells what is wrong with a database URL, without repeating any of it.
func CheckURL(text string) error {
	_, err := parseURL(text)
	return err
}

func parseURL(text string) (*pgxpool.Config, error) {
	// Their errors quote the URL, which may hold a password.
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("must be postgres://user:password@host:port/database, with what the password has of :/?#[]@ percent-encoded")
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, errors.New("must be postgres://user:password@host:port/database, with parameters as libpq and pgxpool know them")
	}
	conn := config.ConnConfig
	asked := maps.Clone(conn.RuntimeParams)
	maps.Copy(conn.RuntimeParams, settings)
	maps.Copy(conn.RuntimeParams, asked)
	// Statements that follow a lock have to see what was committed while it was waited for.
	conn.RuntimeParams["default_transaction_isolation"] = "read committed"
	if conn.ConnectTimeout == 0 || conn.ConnectTimeout > connectTimeout {
		conn.ConnectTimeout = connectTimeout
	}
	if !u.Query().Has("pool_max_conns") {
		config.MaxConns = int32(max(4, min(4*runtime.NumCPU(), 20)))
	}
	if !u.Query().Has("pool_ping_timeout") {
		config.PingTimeout = pingTimeout
	}
	return config, nil
}
