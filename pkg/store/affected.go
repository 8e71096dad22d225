package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

const (
	maxNamespaces = 20   // that are told of one image
	maxMore       = 1000 // up to which the others are counted
	perStatement  = 50   // images that one statement asks for the namespaces of
)

// AffectedImages implements web.VulnerabilityStore.
func (s *Store) AffectedImages(ctx context.Context, q *web.AffectedQuery) (list []web.AffectedImage, next string, err error) {
	list = []web.AffectedImage{}
	err = steadily(ctx, func() (err error) {
		list, next, err = s.affectedImages(ctx, q, pageOf(q.Limit))
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the images with %s: %w", q.ID, err)
	}
	return list, next, nil
}

func (s *Store) affectedImages(ctx context.Context, q *web.AffectedQuery, limit int) ([]web.AffectedImage, string, error) {
	var vulnerability int64
	err := s.reader.QueryRowContext(ctx, `SELECT id FROM vulnerabilities WHERE name = $1`, key(q.ID)).Scan(&vulnerability)
	if errors.Is(err, sql.ErrNoRows) {
		return []web.AffectedImage{}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	c := &conditions{}
	c.add("f.vulnerability = ?", vulnerability)
	if q.After != "" {
		last, failure := cursorWords(q.After, true)
		if failure != nil {
			return nil, "", failure
		}
		c.add("f.image < ?", last...)
	}
	c.args = append(c.args, limit+1)
	list, numbers, err := s.queryAffected(ctx, vulnerability, c)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(list) > limit {
		list = list[:limit]
		next = wordsCursor(strconv.FormatInt(numbers[limit-1], 10))
	}
	images := make([]*admittedTo, len(list))
	for i := range list {
		images[i] = &admittedTo{digest: list[i].Digest, namespaces: &list[i].Namespaces, more: &list[i].More}
	}
	if err := s.addVerdicts(ctx, list); err != nil {
		return nil, "", err
	}
	return list, next, s.addNamespaces(ctx, images)
}

func (s *Store) queryAffected(ctx context.Context, vulnerability int64, c *conditions) ([]web.AffectedImage, []int64, error) {
	list, numbers := []web.AffectedImage{}, []int64{}
	var plain []byte
	failure := s.each(ctx, `SELECT page.image, i.digest, i.reference, i.feed_revision, d.document
		FROM (SELECT image FROM findings AS f`+c.where()+` ORDER BY f.image DESC LIMIT $`+strconv.Itoa(len(c.args))+`) AS page
		JOIN images AS i ON i.id = page.image JOIN image_findings AS d ON d.image = page.image ORDER BY page.image DESC`, c.args, func(rows *sql.Rows) error {
		var number int64
		var packed sql.RawBytes
		image := web.AffectedImage{Packages: []web.AffectedPackage{}, Namespaces: []string{}}
		err := rows.Scan(&number, &image.Digest, &image.Reference, &image.FeedRevision, &packed)
		if err != nil {
			return err
		}
		if plain, err = s.codec.decoder.DecodeAll(packed, plain[:0]); err != nil {
			return fmt.Errorf("findings of %s: decompress: %w", image.Digest, err)
		}
		err = eachFinding(plain, func(id int64) bool { return id == vulnerability }, func(f *indexed) {
			image.Packages = append(image.Packages, web.AffectedPackage{
				Name: f.packages, Version: f.version, Ecosystem: f.ecosystem, Fixed: f.fixed, Severity: f.severity.String(), Uncertain: f.uncertain,
			})
		})
		if err != nil {
			return fmt.Errorf("findings of %s: %w", image.Digest, err)
		}
		list, numbers = append(list, image), append(numbers, number)
		return nil
	})
	return list, numbers, failure
}

// addVerdicts adds what reviews said of images.
func (s *Store) addVerdicts(ctx context.Context, list []web.AffectedImage) error {
	byDigest := map[string]*web.AffectedImage{}
	var args []any
	for i := range list {
		byDigest[list[i].Digest] = &list[i]
		args = append(args, list[i].Digest)
	}
	if len(args) == 0 {
		return nil
	}
	query := `SELECT digest, reference, admitted_at FROM image_verdicts WHERE digest IN (` + placeList(0, len(args)) + `) ORDER BY digest, decided_at`
	return s.each(ctx, query, args, func(rows *sql.Rows) error {
		var digest, reference string
		var admitted int64
		if err := rows.Scan(&digest, &reference, &admitted); err != nil {
			return err
		}
		image := byDigest[digest]
		if image.Reference = reference; admitted > 0 && image.LastAdmitted.UnixMicro() < admitted {
			image.LastAdmitted = time.UnixMicro(admitted).UTC()
		}
		return nil
	})
}

// admittedTo is where the namespaces of an image are put.
type admittedTo struct {
	digest     string
	namespaces *[]string
	more       *int
}

// addNamespaces adds where images were let in to: the first by name, and how many more there are.
func (s *Store) addNamespaces(ctx context.Context, images []*admittedTo) error {
	for len(images) > 0 {
		part := images[:min(len(images), perStatement)]
		images = images[len(part):]
		byDigest := map[string][]*admittedTo{}
		var selects []string
		c := &conditions{}
		for _, image := range part {
			if byDigest[image.digest] = append(byDigest[image.digest], image); len(byDigest[image.digest]) == 1 {
				selects = append(selects, c.fill(`SELECT digest, namespace FROM (SELECT digest, namespace FROM image_namespaces WHERE digest = ? ORDER BY namespace LIMIT `+
					strconv.Itoa(maxNamespaces+maxMore)+`) AS n`, image.digest))
			}
		}
		err := s.each(ctx, strings.Join(selects, " UNION ALL ")+` ORDER BY 1, 2`, c.args, func(rows *sql.Rows) error {
			var digest, namespace string
			if failure := rows.Scan(&digest, &namespace); failure != nil {
				return failure
			}
			for _, image := range byDigest[digest] {
				if len(*image.namespaces) < maxNamespaces {
					*image.namespaces = append(*image.namespaces, namespace)
				} else {
					*image.more++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
