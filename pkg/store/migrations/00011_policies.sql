-- Policies and exemptions that people change at run time, what was done to them, and what judged.

-- +goose Up
CREATE TABLE policies (
    id         TEXT PRIMARY KEY,
    document   TEXT NOT NULL, -- YAML or JSON, as it was given
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    deleted    BOOLEAN NOT NULL -- the row stays, so that versions go on
);
CREATE TABLE policy_changes (
    policy_id TEXT NOT NULL,
    version   BIGINT NOT NULL,
    action    TEXT NOT NULL, -- created, replaced, deleted
    at        BIGINT NOT NULL,
    done_by   TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (policy_id, version)
);
CREATE TABLE exemptions (
    id         TEXT PRIMARY KEY,
    policy_id  TEXT NOT NULL, -- '': all policies
    document   TEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    removed_at BIGINT,
    removed_by TEXT NOT NULL
);
CREATE INDEX exemptions_by_removal ON exemptions (removed_at, created_at, id);
-- Policies as they judged, with the exemptions of then, by the revision that decisions name.
CREATE TABLE policy_texts (
    revision  TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    since     BIGINT NOT NULL
);
-- Grows with each change of policies and exemptions: servers look at it.
CREATE TABLE policy_counter (
    id      BIGINT PRIMARY KEY,
    changes BIGINT NOT NULL
);
INSERT INTO policy_counter (id, changes) VALUES (1, 0);
ALTER TABLE decisions ADD COLUMN policy_revision TEXT NOT NULL DEFAULT ''; -- '': stored before revisions were

-- +goose Down
ALTER TABLE decisions DROP COLUMN policy_revision;
DROP TABLE policy_counter;
DROP TABLE policy_texts;
DROP TABLE exemptions;
DROP TABLE policy_changes;
DROP TABLE policies;
