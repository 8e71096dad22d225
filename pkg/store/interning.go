package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

// maxInterned is how many vulnerabilities are remembered, of about 100 bytes each.
const maxInterned = 50_000

// interned remembers the numbers of vulnerabilities that were seen, and brought up to date, at one feed revision.
type interned struct {
	mu       sync.Mutex
	revision string
	ids      map[string]int64
}

// know gives those of the names that are remembered.
func (m *interned) know(revision string, names map[string]*advisory.Finding) map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make(map[string]int64, len(names))
	if m.revision != revision {
		return ids
	}
	for name := range names {
		if id, ok := m.ids[name]; ok {
			ids[name] = id
		}
	}
	return ids
}

func (m *interned) learn(revision string, ids map[string]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revision != revision || len(m.ids)+len(ids) > maxInterned {
		m.revision, m.ids = revision, map[string]int64{}
	}
	maps.Copy(m.ids, ids)
}

// intern gives the numbers of all vulnerabilities of reports of one revision, and brings what is stored of each up to date, once at
// a revision.
func (s *Store) intern(ctx context.Context, revision string, reports []*scan.Report) (map[string]int64, error) {
	names := map[string]*advisory.Finding{}
	for _, r := range reports {
		for i := range r.Findings {
			if name := key(r.Findings[i].ID); names[name] == nil {
				names[name] = &r.Findings[i]
			}
		}
	}
	ids := s.interned.know(revision, names)
	var missing []string
	for name := range names {
		if _, known := ids[name]; !known {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	fresh := map[string]int64{}
	for part := range slices.Chunk(missing, maxRows) {
		err := steadily(ctx, func() error { return s.internSome(ctx, part, names, fresh) })
		if err != nil {
			return nil, err
		}
	}
	s.interned.learn(revision, fresh)
	maps.Copy(ids, fresh)
	return ids, nil
}

// details is a vulnerability's row of vulnerability_details.
type details struct {
	name    string
	finding *advisory.Finding
	hash    []byte
}

// internSome does so for some names, in one order for all writers.
func (s *Store) internSome(ctx context.Context, names []string, findings map[string]*advisory.Finding, ids map[string]int64) error {
	tx, err := s.begin(ctx, true)
	if err != nil {
		return err
	}
	defer tx.end()
	if failure := tx.lockIndex(ctx); failure != nil {
		return failure
	}
	var args []any
	for _, name := range names {
		args = append(args, name)
	}
	stored := map[string][]byte{}
	err = tx.each(ctx, `SELECT v.id, v.name, d.hash FROM vulnerabilities AS v JOIN vulnerability_details AS d ON d.vulnerability = v.id
		WHERE v.name IN (`+placeList(0, len(args))+`)`, args, func(rows *sql.Rows) error {
		var id int64
		var name string
		var hash []byte
		if failure := rows.Scan(&id, &name, &hash); failure != nil {
			return failure
		}
		ids[name], stored[name] = id, hash
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		d := details{name: name, finding: findings[name]}
		if d.hash, err = hashOf(d.finding); err != nil {
			return err
		}
		if bytes.Equal(stored[name], d.hash) {
			continue
		}
		if ids[name], err = s.putDetails(ctx, tx, &d, ids[name]); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// hashOf tells whether what is stored of a vulnerability is as a finding has it, whatever the package.
func hashOf(f *advisory.Finding) ([]byte, error) {
	c := *f
	c.Package, c.FixedVersion, c.FixState, c.WontFix, c.FixedAt, c.Uncertain, c.PossibleFix = inventory.Package{}, "", "", "", time.Time{}, "", ""
	plain, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(plain)
	return hash[:16], nil
}

// putDetails stores what is known of a vulnerability, over what is there. id is 0 for a new one; aliases that it had stay.
func (s *Store) putDetails(ctx context.Context, tx *transaction, d *details, id int64) (int64, error) {
	document, err := s.codec.pack(d.finding)
	if err != nil {
		return 0, err
	}
	aliases := aliasesOf(d.finding)
	row, err := tx.row(ctx, `INSERT INTO vulnerabilities (name, search) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET search = excluded.search RETURNING id`, d.name, strings.Join(aliases, "\n"))
	if err != nil {
		return 0, err
	}
	if failure := row.Scan(&id); failure != nil {
		return 0, failure
	}
	if _, err = tx.exec(ctx, `INSERT INTO vulnerability_details (vulnerability, seen_at, hash, document) VALUES ($1, $2, $3, $4)
		ON CONFLICT (vulnerability) DO UPDATE SET seen_at = excluded.seen_at, hash = excluded.hash, document = excluded.document`,
		id, time.Now().UnixMicro(), d.hash, document); err != nil {
		return 0, err
	}
	var rows [][]any
	for _, alias := range aliases {
		rows = append(rows, []any{alias, id})
	}
	return id, tx.rowsOf(ctx, `INSERT INTO vulnerability_aliases (alias, vulnerability) VALUES $rows ON CONFLICT (alias, vulnerability) DO NOTHING`, make([]string, 2), rows)
}

// aliasesOf lists all names of a finding's vulnerability as searches compare them, sorted, its id too.
func aliasesOf(f *advisory.Finding) []string {
	names := []string{searchable(f.ID)}
	for _, alias := range append([]string{f.Advisory}, f.Aliases...) {
		if alias != "" {
			names = append(names, searchable(alias))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
