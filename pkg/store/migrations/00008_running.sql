-- Scans that were asked for on the pages and are not done. A row goes when the scan's decision is stored, or a day after its server stopped.

-- +goose Up
CREATE TABLE running_scans (
    id          TEXT PRIMARY KEY,
    at          BIGINT NOT NULL,
    policy_id   TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    username    TEXT NOT NULL,
    images      TEXT NOT NULL, -- JSON
    seen        BIGINT NOT NULL
);

-- +goose Down
DROP TABLE running_scans;
