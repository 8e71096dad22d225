-- Images whose verdicts came, or were stored, behind a re-match: they are looked at again.

-- +goose Up
CREATE TABLE rematch_late (
    digest TEXT PRIMARY KEY,
    count  BIGINT NOT NULL, -- goes up each time, so that whoever deletes a row knows that nothing came meanwhile
    at     BIGINT NOT NULL
);

ALTER TABLE rematches ADD COLUMN began TEXT NOT NULL DEFAULT ''; -- the revision that a re-match was begun for last
ALTER TABLE rematches ADD COLUMN finished_at BIGINT NOT NULL DEFAULT 0; -- when revision was
UPDATE rematches SET began = revision;

-- +goose Down
ALTER TABLE rematches DROP COLUMN finished_at;
ALTER TABLE rematches DROP COLUMN began;
DROP TABLE rematch_late;
