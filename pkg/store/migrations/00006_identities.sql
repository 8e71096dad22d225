-- Users whom an OpenID provider vouches for stand beside those with a password here.

-- +goose Up
ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT 'local';
ALTER TABLE users ADD COLUMN identity TEXT NOT NULL DEFAULT ''; -- issuer and subject; empty for those with a password here
ALTER TABLE users ADD COLUMN seen_at BIGINT; -- of the last login
ALTER TABLE sessions ADD COLUMN stamp TEXT NOT NULL DEFAULT ''; -- of the credentials that the login was made with
CREATE UNIQUE INDEX users_by_identity ON users (identity) WHERE identity <> '';

-- +goose Down
DROP INDEX users_by_identity;
DELETE FROM users WHERE source <> 'local';
ALTER TABLE sessions DROP COLUMN stamp;
ALTER TABLE users DROP COLUMN seen_at;
ALTER TABLE users DROP COLUMN identity;
ALTER TABLE users DROP COLUMN source;
