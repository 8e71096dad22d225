-- What people and programs are told of: an outbox. A row is written with the decision or the flip that it tells of, and is sealed
-- when it is sent for the first time: what is told does not change then.

-- +goose Up
CREATE TABLE notifications (
    id          TEXT PRIMARY KEY,
    destination TEXT NOT NULL,
    group_key   TEXT NOT NULL, -- events of one group become one row, until it is sealed
    slot        BIGINT NOT NULL, -- counts the rows of a group
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL, -- waiting, sent, dead
    sealed      BOOLEAN NOT NULL,
    content     TEXT NOT NULL, -- JSON
    created_at  BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL, -- an event of the group after that is told at once again
    due_at      BIGINT NOT NULL,
    settled_at  BIGINT, -- when it was sent or given up
    attempts    BIGINT NOT NULL,
    lease       TEXT NOT NULL, -- of the worker that sends it; '': nobody does
    lease_until BIGINT NOT NULL,
    error       TEXT NOT NULL,
    UNIQUE (destination, group_key, slot)
);
CREATE INDEX notifications_due ON notifications (destination, state, due_at);
CREATE INDEX notifications_by_time ON notifications (created_at, id);
CREATE INDEX notifications_by_state ON notifications (state, created_at, id);
CREATE INDEX notifications_of_destination ON notifications (destination, created_at, id);

-- +goose Down
DROP TABLE notifications;
