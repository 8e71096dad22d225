package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/scan"
)

// Report gives the report of a digest at a feed revision; nil without an error when it is not stored.
func (s *Store) Report(ctx context.Context, digest, feedRevision string) (*scan.Report, error) {
	report := &scan.Report{}
	found, err := s.document(ctx, report, `SELECT document FROM reports WHERE digest = $1 AND feed_revision = $2`, key(digest), key(feedRevision))
	if err != nil {
		return nil, fmt.Errorf("read report of %s at feed revision %s: %w", digest, feedRevision, err)
	}
	if !found {
		return nil, nil //nolint:nilnil // the interface says so: missing is no error
	}
	return report, nil
}

// PutReport stores a report under its digest and feed revision, over what is there, and has the index of findings say what it does.
func (s *Store) PutReport(ctx context.Context, r *scan.Report) error {
	args, err := s.reportArgs(r)
	if err != nil {
		return err
	}
	if err := s.exec(ctx, putReport, args...); err != nil {
		return fmt.Errorf("store report of %s at feed revision %s: %w", r.Digest, r.Feed.Revision, err)
	}
	return s.PutFindings(ctx, []*scan.Report{r})
}

const putReport = `INSERT INTO reports
		(digest, feed_revision, image, platform, scanned_at, stored_at, packages, critical, high, medium, low, negligible, unknown, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (digest, feed_revision) DO UPDATE SET image = excluded.image, platform = excluded.platform,
		scanned_at = excluded.scanned_at, stored_at = excluded.stored_at, packages = excluded.packages, critical = excluded.critical,
		high = excluded.high, medium = excluded.medium, low = excluded.low, negligible = excluded.negligible,
		unknown = excluded.unknown, document = excluded.document`

// reportArgs gives the values of putReport.
func (s *Store) reportArgs(r *scan.Report) ([]any, error) {
	if r == nil || r.Digest == "" || r.Feed.Revision == "" {
		return nil, errors.New("store report: it needs a digest and a feed revision")
	}
	packed, err := s.codec.pack(r)
	if err != nil {
		return nil, fmt.Errorf("store report of %s: %w", r.Digest, err)
	}
	counts := r.Counts()
	return []any{
		key(r.Digest), key(r.Feed.Revision), text(r.Image), text(r.Platform), r.ScannedAt.UnixMicro(), time.Now().UnixMicro(), r.Packages,
		counts[advisory.SeverityCritical], counts[advisory.SeverityHigh], counts[advisory.SeverityMedium],
		counts[advisory.SeverityLow], counts[advisory.SeverityNone], counts[advisory.SeverityUnknown], packed,
	}, nil
}
