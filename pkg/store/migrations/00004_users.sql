-- People who use the pages, and their sessions. A session's id is stored as its SHA-256 alone.

-- +goose Up
CREATE TABLE users (
    name        TEXT PRIMARY KEY,
    role        TEXT NOT NULL,
    password    TEXT NOT NULL, -- argon2id, in PHC's form
    must_change BOOLEAN NOT NULL, -- the password was given by somebody else
    created_at  BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash       BYTEA PRIMARY KEY,
    username   TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (username);
CREATE INDEX sessions_by_time ON sessions (created_at);

-- +goose Down
DROP TABLE sessions;
DROP TABLE users;
