package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/web"
)

// maxKeys is how many reports one statement asks for.
const maxKeys = 200

// Counts implements web.Store.
func (s *Store) Counts(ctx context.Context, keys []web.ReportKey) (map[web.ReportKey]web.Counts, error) {
	counts := make(map[web.ReportKey]web.Counts, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), maxKeys)
		err := steadily(ctx, func() error { return s.queryCounts(ctx, keys[:n], counts) })
		if err != nil {
			return nil, fmt.Errorf("count findings: %w", err)
		}
		keys = keys[n:]
	}
	return counts, nil
}

func (s *Store) queryCounts(ctx context.Context, keys []web.ReportKey, counts map[web.ReportKey]web.Counts) error {
	var places []string
	var args []any
	for i, k := range keys {
		places = append(places, "(digest = $"+strconv.Itoa(2*i+1)+" AND feed_revision = $"+strconv.Itoa(2*i+2)+")")
		args = append(args, key(k.Digest), key(k.FeedRevision))
	}
	//nolint:gosec // places are our own texts and placeholders
	rows, err := s.read.QueryContext(ctx, `SELECT digest, feed_revision, critical, high, medium, low + negligible, unknown FROM reports WHERE `+strings.Join(places, " OR "), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k web.ReportKey
		var c web.Counts
		if err := rows.Scan(&k.Digest, &k.FeedRevision, &c.Critical, &c.High, &c.Medium, &c.Low, &c.Unknown); err != nil {
			return err
		}
		counts[k] = c
	}
	return rows.Err()
}
