package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/scan"
)

// indexLock is the key of PostgreSQL's advisory lock for writers of the index, a number of our own.
const indexLock = 0x72756e65696478

// lockIndex has writers of the index of findings take turns until their transactions end: they count in the same rows. On SQLite all
// writers do anyway.
func (tx *transaction) lockIndex(ctx context.Context) error {
	if tx.dialect != dialectPostgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(indexLock))
	return err
}

// imageState is what the index has, or is to have, of an image.
type imageState struct {
	digest, reference, revision string
	id                          int64 // 0: it is not there
	hash, document              []byte
}

// PutFindings has the index of findings say of images what their newest reports do. An image's findings are written where they are
// others than before alone. A report by another feed than the one that inventories are matched at does not take the place of one by
// that.
func (s *Store) PutFindings(ctx context.Context, reports []*scan.Report) error {
	for revision, of := range byRevision(reports) {
		if err := s.putFindings(ctx, revision, of); err != nil {
			return fmt.Errorf("index the findings of %d images at feed revision %s: %w", len(of), revision, err)
		}
	}
	return nil
}

func byRevision(reports []*scan.Report) map[string][]*scan.Report {
	by := map[string][]*scan.Report{}
	for _, r := range reports {
		if r != nil && r.Digest != "" && r.Feed.Revision != "" {
			by[r.Feed.Revision] = append(by[r.Feed.Revision], r)
		}
	}
	return by
}

func (s *Store) putFindings(ctx context.Context, revision string, reports []*scan.Report) error {
	ids, err := s.intern(ctx, revision, reports)
	if err != nil {
		return err
	}
	wanted := map[string]*imageState{}
	for _, r := range reports {
		digest := key(r.Digest)
		packed := packFindings(indexedOf(r, ids))
		hash := sha256.Sum256(packed)
		wanted[digest] = &imageState{digest: digest, reference: referenceOf(r), revision: key(revision), hash: hash[:16], document: packed}
	}
	states := slices.SortedFunc(maps.Values(wanted), func(a, b *imageState) int { return strings.Compare(a.digest, b.digest) })
	return steadily(ctx, func() error {
		current, err := s.upToDate(ctx, states)
		if err != nil || current {
			return err
		}
		return s.writeFindings(ctx, states)
	})
}

// referenceOf gives the name that a report has of its image; a re-match knows none but the digest.
func referenceOf(r *scan.Report) string {
	if r.Image == r.Digest {
		return ""
	}
	return key(r.Image)
}

// indexedOf gives a report's findings as the index keeps them.
func indexedOf(r *scan.Report, ids map[string]int64) []indexed {
	list := make([]indexed, len(r.Findings))
	for i := range r.Findings {
		f := &r.Findings[i]
		list[i] = indexed{
			vulnerability: ids[key(f.ID)], severity: min(f.Severity, advisory.SeverityCritical), uncertain: f.Uncertain != "",
			ecosystem: key(f.Package.Ecosystem), packages: key(f.Package.Name), version: key(f.Package.Version), fixed: key(f.FixedVersion),
		}
	}
	return list
}

// upToDate tells without writing whether all is as it is to be.
func (s *Store) upToDate(ctx context.Context, states []*imageState) (bool, error) {
	for part := range slices.Chunk(states, maxRows) {
		stored, err := readImages(ctx, s.each, part)
		if err != nil {
			return false, err
		}
		for _, want := range part {
			if is := stored[want.digest]; is == nil || is.revision != want.revision || !bytes.Equal(is.hash, want.hash) || is.reference == "" && want.reference != "" {
				return false, nil
			}
		}
	}
	return true, nil
}

// reader calls fn for the rows of a query.
type reader func(ctx context.Context, query string, args []any, fn func(*sql.Rows) error) error

// readImages reads what the index has of images, by digest.
func readImages(ctx context.Context, each reader, states []*imageState) (map[string]*imageState, error) {
	digests := make([]any, len(states))
	for i, state := range states {
		digests[i] = state.digest
	}
	stored := map[string]*imageState{}
	query := `SELECT id, digest, reference, feed_revision, hash FROM images WHERE digest IN (` + placeList(0, len(digests)) + `)`
	err := each(ctx, query, digests, func(rows *sql.Rows) error {
		i := &imageState{}
		if err := rows.Scan(&i.id, &i.digest, &i.reference, &i.revision, &i.hash); err != nil {
			return err
		}
		stored[i.digest] = i
		return nil
	})
	return stored, err
}

func (s *Store) writeFindings(ctx context.Context, states []*imageState) error {
	tx, err := s.begin(ctx, true)
	if err != nil {
		return err
	}
	defer tx.end()
	if failure := tx.lockIndex(ctx); failure != nil {
		return failure
	}
	began, err := s.began(ctx, tx.Tx)
	if err != nil {
		return err
	}
	changes := &indexChanges{counts: map[int64]*countChange{}}
	for part := range slices.Chunk(states, maxRows) {
		stored, err := readImages(ctx, tx.each, part)
		if err != nil {
			return err
		}
		for _, want := range part {
			is := stored[want.digest]
			if is != nil && began != "" && is.revision == began && want.revision != began {
				continue
			}
			if err := s.writeImage(ctx, tx, is, want, changes); err != nil {
				return err
			}
		}
	}
	if err := changes.write(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// writeImage stores an image's row and notes what changes for its vulnerabilities. is may be nil.
func (s *Store) writeImage(ctx context.Context, tx *transaction, is, want *imageState, changes *indexChanges) error {
	row, err := tx.row(ctx, `INSERT INTO images (digest, reference, feed_revision, hash) VALUES ($1, $2, $3, $4)
		ON CONFLICT (digest) DO UPDATE SET reference = CASE WHEN excluded.reference = '' THEN images.reference ELSE excluded.reference END,
		feed_revision = excluded.feed_revision, hash = excluded.hash RETURNING id`, want.digest, want.reference, want.revision, want.hash)
	if err != nil {
		return err
	}
	if failure := row.Scan(&want.id); failure != nil {
		return failure
	}
	if is != nil && bytes.Equal(is.hash, want.hash) {
		return nil
	}
	before := map[int64]summed{}
	if is != nil {
		if before, err = s.storedSums(ctx, tx, is.id); err != nil {
			return err
		}
	}
	after, err := sumsOf(want.document)
	if err != nil {
		return err
	}
	changes.add(want.id, before, after)
	_, err = tx.exec(ctx, `INSERT INTO image_findings (image, document) VALUES ($1, $2) ON CONFLICT (image) DO UPDATE SET document = excluded.document`,
		want.id, s.codec.encoder.EncodeAll(want.document, nil))
	return err
}

// storedSums reads what an image's findings were counted as.
func (s *Store) storedSums(ctx context.Context, tx *transaction, image int64) (map[int64]summed, error) {
	var packed []byte
	row, err := tx.row(ctx, `SELECT document FROM image_findings WHERE image = $1`, image)
	if err != nil {
		return nil, err
	}
	if err = row.Scan(&packed); errors.Is(err, sql.ErrNoRows) {
		return map[int64]summed{}, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := s.codec.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress findings: %w", err)
	}
	return sumsOf(plain)
}

func sumsOf(document []byte) (map[int64]summed, error) {
	sums := map[int64]summed{}
	err := eachFinding(document, nil, func(f *indexed) { sums[f.vulnerability] = sums[f.vulnerability].with(f) })
	return sums, err
}
