-- +goose Up

-- id is the EventID; its first 48 bits are the creation time in milliseconds. status: 0 pending, 1 acknowledged, 2
-- deleted. Texts compare byte by byte whatever the database's locale. The payload is not jsonb, because it is kept
-- byte for byte.
CREATE TABLE events (
    tenant          text COLLATE "C" NOT NULL,
    id              uuid             NOT NULL,
    source          text COLLATE "C",
    type            text COLLATE "C",
    topic           text COLLATE "C",
    idempotency_key text COLLATE "C",
    status          smallint         NOT NULL,
    acknowledged_at timestamptz(3),
    deleted_at      timestamptz(3),
    payload         bytea,
    PRIMARY KEY (tenant, id)
) WITH (
    -- Nearly every row is updated once, and then not for a long time. With the default of 20 % a large history lets
    -- that many acknowledged events pile up as dead entries at the head of events_pending, where every inbox page
    -- passes over them; and vacuum has to be fast enough to keep up with a busy inbox.
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_limit = 2000
);

-- A page of the inbox costs the same however many events were acknowledged. The names are not in the indexes: they
-- can be longer than an index entry may be (2704 bytes).
CREATE INDEX events_pending ON events (tenant, id) WHERE status = 0;
CREATE INDEX events_acknowledged ON events (tenant, id) WHERE status = 1;
CREATE INDEX events_deleted ON events (tenant, id) WHERE status = 2;

CREATE TABLE idempotency_keys (
    tenant      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    event_id    uuid             NOT NULL,
    fingerprint bytea            NOT NULL,
    expires_at  timestamptz(3)   NOT NULL,
    PRIMARY KEY (tenant, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- No other index begins with the tenant: with the statistics of a table that was empty the planner could prefer it
-- for looking up a key, and read all keys of the tenant for each.
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- The first 64 bits of the newest event id: time, version and fraction. A sequence and not a row, because it is set
-- with every group of events: a row would leave a dead version each time, and a long transaction elsewhere, such as a
-- backup, would keep them all. Who sets it holds an advisory lock until its commit.
CREATE SEQUENCE newest_event AS bigint MINVALUE 0 START 0;

CREATE TABLE tenants (
    id                    text COLLATE "C" PRIMARY KEY,
    name                  text             NOT NULL,
    disabled              boolean          NOT NULL,
    rate_limit_per_minute bigint,
    retention_days        bigint,
    erasure_before        timestamptz(3),
    erasure_events        bigint           NOT NULL,
    erasure_finished_at   timestamptz(3),
    created_at            timestamptz(3)   NOT NULL,
    updated_at            timestamptz(3)   NOT NULL,
    version               bigint           NOT NULL
);

CREATE TABLE api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL REFERENCES tenants,
    name         text             NOT NULL,
    scopes       text[]           NOT NULL,
    hash         bytea            NOT NULL UNIQUE,
    hint         text             NOT NULL,
    created_at   timestamptz(3)   NOT NULL,
    expires_at   timestamptz(3),
    last_used_at timestamptz(3)
) WITH (fillfactor = 70); -- room to note last_used_at in place

CREATE INDEX api_keys_tenant ON api_keys (tenant, id);
CREATE INDEX api_keys_expiry ON api_keys (expires_at);

-- One row, rewritten by health checks to find out whether the database can be written.
CREATE TABLE heartbeat (
    id         smallint PRIMARY KEY CHECK (id = 1),
    checked_at timestamptz(3) NOT NULL
);

-- +goose Down
DROP TABLE heartbeat;
DROP TABLE api_keys;
DROP TABLE tenants;
DROP SEQUENCE newest_event;
DROP TABLE idempotency_keys;
DROP TABLE events;
