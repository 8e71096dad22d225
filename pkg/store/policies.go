package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/policy/live"
)

var _ live.Store = (*Store)(nil)

// maxChanges is how many changes of a policy are listed.
const maxChanges = 1000

// errUnchanged ends a transaction that turned out to have nothing to do.
var errUnchanged = errors.New("nothing is changed")

// PolicyCounter implements live.Store.
func (s *Store) PolicyCounter(ctx context.Context) (counter int64, err error) {
	err = steadily(ctx, func() error {
		return s.reader.QueryRowContext(ctx, `SELECT changes FROM policy_counter WHERE id = 1`).Scan(&counter)
	})
	if err != nil {
		return 0, fmt.Errorf("read the counter of policies: %w", err)
	}
	return counter, nil
}

// changePolicies changes policies or exemptions in one transaction with the counter, which comes first: changes take turns by its row. It
// tells false where change gives errUnchanged. What a lost connection leaves open is for the caller to find out: a change must not be made twice.
func (s *Store) changePolicies(ctx context.Context, change func(*sql.Tx) error) (bool, error) {
	var tx *sql.Tx
	if err := steadily(ctx, func() (err error) { tx, err = s.write.BeginTx(ctx, nil); return err }); err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing, and after a failure that failure is what counts
	if _, err := tx.ExecContext(ctx, `UPDATE policy_counter SET changes = changes + 1 WHERE id = 1`); err != nil {
		return false, err
	}
	if err := change(tx); err != nil {
		if errors.Is(err, errUnchanged) {
			return false, nil
		}
		return false, err
	}
	return true, tx.Commit()
}

// Policies implements live.PolicyStore.
func (s *Store) Policies(ctx context.Context) (list []live.Policy, err error) {
	err = steadily(ctx, func() error {
		list = nil
		rows, failure := s.reader.QueryContext(ctx, `SELECT id, document, version, created_at, created_by, updated_at, updated_by FROM policies WHERE NOT deleted`)
		if failure != nil {
			return failure
		}
		return eachRow(rows, func(rows *sql.Rows) error {
			var p live.Policy
			var created, updated int64
			if failure := rows.Scan(&p.ID, &p.Document, &p.Version, &created, &p.CreatedBy, &updated, &p.UpdatedBy); failure != nil {
				return failure
			}
			p.CreatedAt, p.UpdatedAt = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
			list = append(list, p)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	// Databases differ in how they order texts.
	slices.SortFunc(list, func(a, b live.Policy) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// CreatePolicy implements live.PolicyStore.
func (s *Store) CreatePolicy(ctx context.Context, p *live.Policy) (bool, error) {
	if p.ID == "" {
		return false, errors.New("create policy: it has no id")
	}
	version := int64(0)
	created, err := s.changePolicies(ctx, func(tx *sql.Tx) error {
		// A row of a deleted policy is taken over, and its versions go on.
		failure := tx.QueryRowContext(ctx, `INSERT INTO policies (id, document, version, created_at, created_by, updated_at, updated_by, deleted)
			VALUES ($1, $2, 1, $3, $4, $5, $6, FALSE)
			ON CONFLICT (id) DO UPDATE SET document = excluded.document, version = policies.version + 1, created_at = excluded.created_at,
				created_by = excluded.created_by, updated_at = excluded.updated_at, updated_by = excluded.updated_by, deleted = FALSE
			WHERE policies.deleted RETURNING version`,
			key(p.ID), text(p.Document), p.CreatedAt.UnixMicro(), text(p.CreatedBy), p.UpdatedAt.UnixMicro(), text(p.UpdatedBy)).Scan(&version)
		if errors.Is(failure, sql.ErrNoRows) {
			return errUnchanged
		}
		if failure != nil {
			return failure
		}
		return insertChange(ctx, tx, p, version, live.ActionCreated)
	})
	if err != nil {
		return false, fmt.Errorf("create policy %s: %w", p.ID, err)
	}
	if created {
		p.Version = version
	}
	return created, nil
}

// ReplacePolicy implements live.PolicyStore.
func (s *Store) ReplacePolicy(ctx context.Context, p *live.Policy) (bool, error) {
	replaced, err := s.changePolicies(ctx, func(tx *sql.Tx) error {
		var created int64
		failure := tx.QueryRowContext(ctx, `UPDATE policies SET document = $3, version = version + 1, updated_at = $4, updated_by = $5
			WHERE id = $1 AND version = $2 AND NOT deleted RETURNING created_at, created_by`,
			key(p.ID), p.Version, text(p.Document), p.UpdatedAt.UnixMicro(), text(p.UpdatedBy)).Scan(&created, &p.CreatedBy)
		if errors.Is(failure, sql.ErrNoRows) {
			return errUnchanged
		}
		if failure != nil {
			return failure
		}
		p.CreatedAt = time.UnixMicro(created).UTC()
		return insertChange(ctx, tx, p, p.Version+1, live.ActionReplaced)
	})
	if err != nil {
		return false, fmt.Errorf("replace policy %s: %w", p.ID, err)
	}
	if replaced {
		p.Version++
	}
	return replaced, nil
}

// DeletePolicy implements live.PolicyStore.
func (s *Store) DeletePolicy(ctx context.Context, p *live.Policy) (bool, error) {
	version := int64(0)
	deleted, err := s.changePolicies(ctx, func(tx *sql.Tx) error {
		failure := tx.QueryRowContext(ctx, `UPDATE policies SET document = '', version = version + 1, updated_at = $3, updated_by = $4, deleted = TRUE
			WHERE id = $1 AND (version = $2 OR $2 = 0) AND NOT deleted RETURNING version`,
			key(p.ID), p.Version, p.UpdatedAt.UnixMicro(), text(p.UpdatedBy)).Scan(&version)
		if errors.Is(failure, sql.ErrNoRows) {
			return errUnchanged
		}
		if failure != nil {
			return failure
		}
		return insertChange(ctx, tx, &live.Policy{ID: p.ID, UpdatedAt: p.UpdatedAt, UpdatedBy: p.UpdatedBy}, version, live.ActionDeleted)
	})
	if err != nil {
		return false, fmt.Errorf("delete policy %s: %w", p.ID, err)
	}
	if deleted {
		p.Version = version
	}
	return deleted, nil
}

func insertChange(ctx context.Context, tx *sql.Tx, p *live.Policy, version int64, action live.Action) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO policy_changes (policy_id, version, action, at, done_by, document) VALUES ($1, $2, $3, $4, $5, $6)`,
		key(p.ID), version, string(action), p.UpdatedAt.UnixMicro(), text(p.UpdatedBy), text(p.Document))
	return err
}

// PolicyChanges implements live.PolicyStore.
func (s *Store) PolicyChanges(ctx context.Context, id string) (list []live.Change, err error) {
	err = steadily(ctx, func() error {
		list = nil
		rows, failure := s.reader.QueryContext(ctx, `SELECT version, action, at, done_by, document FROM policy_changes WHERE policy_id = $1 ORDER BY version DESC LIMIT $2`, key(id), maxChanges)
		if failure != nil {
			return failure
		}
		return eachRow(rows, func(rows *sql.Rows) error {
			var c live.Change
			var at int64
			if failure := rows.Scan(&c.Version, &c.Action, &at, &c.By, &c.Document); failure != nil {
				return failure
			}
			c.At = time.UnixMicro(at).UTC()
			list = append(list, c)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the changes of policy %s: %w", id, err)
	}
	return list, nil
}

// PutPolicyTexts implements live.TextStore.
func (s *Store) PutPolicyTexts(ctx context.Context, texts []live.Text) error {
	for i := range texts {
		t := &texts[i]
		if t.Revision == "" {
			return errors.New("store a policy's text: it has no revision")
		}
		err := s.exec(ctx, `INSERT INTO policy_texts (revision, policy_id, document, since) VALUES ($1, $2, $3, $4) ON CONFLICT (revision) DO NOTHING`,
			key(t.Revision), key(t.PolicyID), text(t.Document), t.Since.UnixMicro())
		if err != nil {
			return fmt.Errorf("store the text of policy %s: %w", t.PolicyID, err)
		}
	}
	return nil
}

// PolicyText implements live.TextStore.
func (s *Store) PolicyText(ctx context.Context, revision string) (*live.Text, error) {
	t := live.Text{Revision: revision}
	var since int64
	err := steadily(ctx, func() error {
		return s.reader.QueryRowContext(ctx, `SELECT policy_id, document, since FROM policy_texts WHERE revision = $1`, key(revision)).Scan(&t.PolicyID, &t.Document, &since)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // missing is no error, as for reports
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy of revision %s: %w", revision, err)
	}
	t.Since = time.UnixMicro(since).UTC()
	return &t, nil
}
