package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/scan"
)

var _ impact.Store = (*Store)(nil)

// maxWalk is how many images of decisions a search for known ones goes past.
const maxWalk = 500_000

// KnownImages implements impact.Store. It walks through decisions, the last first.
func (s *Store) KnownImages(ctx context.Context, query *impact.Query) ([]impact.Known, bool, error) {
	var k *knownImages
	err := steadily(ctx, func() error {
		k = &knownImages{limit: query.Limit, byKey: map[digestPolicy]int{}, digests: map[string]bool{}, beyond: map[placeOf]bool{}}
		return s.walkImages(ctx, query, k)
	})
	if err != nil {
		return nil, false, fmt.Errorf("find the images that are known: %w", err)
	}
	return k.list, k.more || k.rows >= maxWalk, nil
}

func (s *Store) walkImages(ctx context.Context, query *impact.Query, k *knownImages) error {
	c := &conditions{}
	c.add("d.at >= ?", query.Since.UnixMicro())
	if query.PolicyID != "" {
		c.add("d.policy_id = ?", key(query.PolicyID))
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT i.digest, d.policy_id, i.reference, d.at, d.allowed AND d.triggered = '`+string(admission.TriggerAdmission)+`', d.namespace, d.kind, d.name
		FROM decisions AS d JOIN decision_images AS i ON i.decision_id = d.id`+c.where()+` AND i.digest <> '' ORDER BY d.at DESC, d.id DESC, i.position`+
		c.fill(` LIMIT ?`, maxWalk), c.args...)
	if err != nil {
		return err
	}
	return eachRow(rows, k.row)
}

// knownImages gathers images by digest and policy.
type knownImages struct {
	limit   int
	list    []impact.Known
	byKey   map[digestPolicy]int
	digests map[string]bool
	beyond  map[placeOf]bool // places that are left out
	more    bool
	rows    int
}

// placeOf is a place of an image of the list.
type placeOf struct {
	image                 int
	namespace, kind, name string
}

// row takes a decision about an image. Beyond the limit, images are only looked for where they were let in.
func (k *knownImages) row(rows *sql.Rows) error {
	var of digestPolicy
	var place impact.Place
	var reference string
	var at int64
	var admitted bool
	if err := rows.Scan(&of.digest, &of.policy, &reference, &at, &admitted, &place.Namespace, &place.Kind, &place.Name); err != nil {
		return err
	}
	k.rows++
	place.At = time.UnixMicro(at).UTC()
	i, known := k.byKey[of]
	if !known {
		if !k.digests[of.digest] && len(k.digests) >= k.limit {
			k.more = true
			return nil
		}
		i = len(k.list)
		k.list = append(k.list, impact.Known{Digest: of.digest, Reference: reference, PolicyID: of.policy, At: place.At})
		k.byKey[of], k.digests[of.digest] = i, true
	}
	if image := &k.list[i]; admitted && !slices.ContainsFunc(image.Places, func(p impact.Place) bool {
		return p.Namespace == place.Namespace && p.Kind == place.Kind && p.Name == place.Name
	}) {
		if len(image.Places) >= impact.MaxPlaces {
			if left := (placeOf{i, place.Namespace, place.Kind, place.Name}); !k.beyond[left] {
				k.beyond[left] = true
				image.More++
			}
			return nil
		}
		image.Places = append(image.Places, place)
	}
	return nil
}

// EachInventory implements impact.Store.
func (s *Store) EachInventory(ctx context.Context, digests []string, fn func(digest string, load func() (*scan.Contents, error)) error) error {
	for part := range slices.Chunk(digests, maxRows) {
		args := make([]any, len(part))
		for i := range part {
			args[i] = key(part[i])
		}
		packed := map[string][]byte{}
		err := steadily(ctx, func() error {
			rows, err := s.reader.QueryContext(ctx, `SELECT digest, document FROM inventories WHERE digest IN (`+placeList(0, len(part))+`)`, args...)
			if err != nil {
				return err
			}
			return eachRow(rows, func(rows *sql.Rows) error {
				var digest string
				var document []byte
				err := rows.Scan(&digest, &document)
				packed[digest] = document
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("read inventories: %w", err)
		}
		for digest, document := range packed {
			load := func() (*scan.Contents, error) {
				contents := &scan.Contents{}
				if err := s.codec.unpack(document, contents); err != nil {
					return nil, fmt.Errorf("inventory of %s: the stored document is damaged: %w", digest, err)
				}
				return contents, nil
			}
			if err := fn(digest, load); err != nil {
				return err
			}
		}
	}
	return nil
}

// LastReview implements impact.Store.
func (s *Store) LastReview(ctx context.Context, policyID string) (time.Time, error) {
	var at sql.NullInt64
	err := steadily(ctx, func() error {
		return s.reader.QueryRowContext(ctx, `SELECT MAX(at) FROM decisions WHERE policy_id = $1 AND triggered = '`+string(admission.TriggerAdmission)+`'`, key(policyID)).Scan(&at)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("find the last review by policy %s: %w", policyID, err)
	}
	return timeOf(at), nil
}
