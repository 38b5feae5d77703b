-- +goose Up

-- seq is the place in the file: events are appended, so a group commit touches neighbouring pages whatever tenants it
-- serves. id is the EventID, 16 bytes; its first 6 are the creation time in milliseconds. status: 0 pending,
-- 1 acknowledged, 2 deleted. Times are Unix milliseconds.
CREATE TABLE events (
    seq             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL,
    tenant          TEXT    NOT NULL,
    source          TEXT,
    type            TEXT,
    topic           TEXT,
    idempotency_key TEXT,
    status          INTEGER NOT NULL,
    acknowledged_at INTEGER,
    deleted_at      INTEGER,
    payload         BLOB
) STRICT;

-- The only index serves both ways in: a page of a tenant's events of one status, and one event by id (a probe per
-- status). It carries the names, so that a filter passes over events without reading them.
CREATE UNIQUE INDEX events_inbox ON events (tenant, status, id, type, topic, source);

CREATE TABLE idempotency_keys (
    seq         INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    event_id    BLOB    NOT NULL,
    fingerprint BLOB    NOT NULL,
    expires_at  INTEGER NOT NULL,
    UNIQUE (tenant, key)
) STRICT;

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row, rewritten by health checks to find out whether the file can be written.
CREATE TABLE heartbeat (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checked_at INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE heartbeat;
DROP TABLE idempotency_keys;
DROP TABLE events;
