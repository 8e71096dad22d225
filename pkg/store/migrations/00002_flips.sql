-- What a new feed changed for images that were judged before.

-- +goose Up
CREATE TABLE flips (
    digest        TEXT NOT NULL,
    policy_id     TEXT NOT NULL,
    to_revision   TEXT NOT NULL,
    since         BIGINT NOT NULL, -- when the verdict that changed was given
    at            BIGINT NOT NULL,
    reference     TEXT NOT NULL,
    from_verdict  TEXT NOT NULL,
    to_verdict    TEXT NOT NULL,
    from_revision TEXT NOT NULL,
    causes        TEXT, -- JSON
    PRIMARY KEY (digest, policy_id, to_revision, since)
);
CREATE INDEX flips_by_time ON flips (at, digest, policy_id);

-- One row: the feed revision that all inventories were matched against last, and the one before.
CREATE TABLE rematches (
    id       BIGINT PRIMARY KEY,
    revision TEXT NOT NULL,
    previous TEXT NOT NULL
);

-- +goose Down
DROP TABLE rematches;
DROP TABLE flips;
