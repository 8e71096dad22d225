-- One file for SQLite and PostgreSQL. Times are microseconds since 1970 UTC, NULL for "not yet" or "never"; durations are
-- nanoseconds; booleans, TEXT and BYTEA mean the same on both, as SQLite keeps a blob as it is under any type's name.

-- +goose Up
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    access_type  TEXT NOT NULL,
    hash         BYTEA NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);

CREATE TABLE decisions (
    id          TEXT PRIMARY KEY,
    review_uid  TEXT NOT NULL,
    at          BIGINT NOT NULL,
    duration    BIGINT NOT NULL,
    triggered   TEXT NOT NULL,
    policy_id   TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    mode        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    allowed     BOOLEAN NOT NULL,
    reason      TEXT NOT NULL,
    message     TEXT NOT NULL,
    operation   TEXT NOT NULL,
    api_group   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    namespace   TEXT NOT NULL,
    name        TEXT NOT NULL,
    username    TEXT NOT NULL
);
-- Each list is newest first within one filter; the id makes the order total.
CREATE INDEX decisions_by_time ON decisions (at, id);
CREATE INDEX decisions_by_namespace ON decisions (namespace, at, id);
CREATE INDEX decisions_by_policy ON decisions (policy_id, at, id);
CREATE INDEX decisions_by_verdict ON decisions (verdict, at, id);

CREATE TABLE decision_images (
    decision_id   TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    position      BIGINT NOT NULL,
    reference     TEXT NOT NULL,
    digest        TEXT NOT NULL,
    platform      TEXT NOT NULL,
    feed_revision TEXT NOT NULL,
    verdict       TEXT NOT NULL,
    cause         TEXT NOT NULL,
    violated      BIGINT NOT NULL, -- how many violations there are
    violations    TEXT, -- JSON, the worst of them
    exempted      TEXT, -- JSON
    PRIMARY KEY (decision_id, position)
);
CREATE INDEX decision_images_by_digest ON decision_images (digest);

-- A report is the document; the columns beside it are for lists. No decision refers to it by a key, so that either can go first.
CREATE TABLE reports (
    digest        TEXT NOT NULL,
    feed_revision TEXT NOT NULL,
    image         TEXT NOT NULL,
    platform      TEXT NOT NULL,
    scanned_at    BIGINT NOT NULL,
    stored_at     BIGINT NOT NULL,
    packages      BIGINT NOT NULL,
    critical      BIGINT NOT NULL,
    high          BIGINT NOT NULL,
    medium        BIGINT NOT NULL,
    low           BIGINT NOT NULL,
    negligible    BIGINT NOT NULL, -- CVSS: none
    unknown       BIGINT NOT NULL,
    document      BYTEA NOT NULL, -- JSON, zstd
    PRIMARY KEY (digest, feed_revision)
);
CREATE INDEX reports_by_time ON reports (scanned_at, digest);

CREATE TABLE inventories (
    digest    TEXT PRIMARY KEY,
    stored_at BIGINT NOT NULL,
    document  BYTEA NOT NULL -- JSON, zstd
);
CREATE INDEX inventories_by_time ON inventories (stored_at);

CREATE TABLE layers (
    digest    TEXT PRIMARY KEY,
    stored_at BIGINT NOT NULL,
    document  BYTEA NOT NULL -- JSON, zstd
);
CREATE INDEX layers_by_time ON layers (stored_at);

-- One row, overwritten by each check whether the database can be written.
CREATE TABLE heartbeat (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE heartbeat;
DROP TABLE layers;
DROP TABLE inventories;
DROP TABLE reports;
DROP TABLE decision_images;
DROP TABLE decisions;
DROP TABLE tokens;
