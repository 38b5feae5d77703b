-- +goose Up

-- Times are Unix milliseconds. The columns of an erasure are NULL for a tenant that was never erased.
CREATE TABLE tenants (
    id                    TEXT    PRIMARY KEY,
    name                  TEXT    NOT NULL,
    disabled              INTEGER NOT NULL,
    rate_limit_per_minute INTEGER,
    retention_days        INTEGER,
    erase_before          INTEGER,
    erased_events         INTEGER,
    erasure_finished_at   INTEGER,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    version               INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- scopes are separated by spaces. The key itself is not here, only its SHA-256.
CREATE TABLE api_keys (
    id           TEXT    PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    hint         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_tenant ON api_keys (tenant, id);
CREATE INDEX api_keys_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

-- One row, or none: an id that all later ones have to follow, because the last row of events does not always tell. Imported
-- events come in any order, the last row may be removed, and a mark is ahead of all rows.
CREATE TABLE newest_event (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    event_id BLOB    NOT NULL
) STRICT;

-- +goose Down
DROP TABLE newest_event;
DROP TABLE api_keys;
DROP TABLE tenants;
