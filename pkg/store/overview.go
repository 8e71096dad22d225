package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

var _ web.OverviewStore = (*Store)(nil)

const (
	day         = 24 * time.Hour
	defaultSpan = 30 * day
	maxSpan     = 366 * day
	deniedSpan  = 30 // days that are summed, beside today
	defaultTop  = 10
	maxTop      = 100
)

// Overview implements web.OverviewStore.
func (s *Store) Overview(ctx context.Context, q *web.OverviewQuery) (o *web.Overview, err error) {
	asked := *q
	if asked.Step == 0 {
		asked.Step = day
	}
	if asked.Step < time.Hour || asked.Step > day || asked.Step%time.Hour != 0 || day%asked.Step != 0 {
		return nil, fmt.Errorf("read the overview: a step of %s is none of whole hours that a day can be divided by", asked.Step)
	}
	if asked.Span <= 0 {
		asked.Span = defaultSpan
	}
	asked.Span = min(asked.Span, maxSpan)
	if asked.Top <= 0 {
		asked.Top = defaultTop
	}
	asked.Top = min(asked.Top, maxTop)
	err = steadily(ctx, func() (err error) {
		o, err = s.overview(ctx, &asked)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the overview: %w", err)
	}
	return o, nil
}

func (s *Store) overview(ctx context.Context, q *web.OverviewQuery) (*web.Overview, error) {
	o := &web.Overview{}
	if err := s.addScanHours(ctx, o, q); err != nil {
		return nil, err
	}
	since := floor(q.Now.UnixMicro(), microsPerDay) - deniedSpan
	for kind, into := range map[string]*[]web.DeniedCount{deniedRule: &o.Rules, deniedVulnerability: &o.Vulnerabilities, deniedPackage: &o.Packages} {
		var err error
		if *into, err = s.deniedList.of(ctx, deniedQuery{kind, since, q.Top}, s.denied(kind, since, q.Top)); err != nil {
			return nil, err
		}
	}
	err := s.reader.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(CASE WHEN first_verdict = 'allow' THEN 1 END) FROM image_verdicts WHERE `+atRisk).
		Scan(&o.AtRisk.Images, &o.AtRisk.Flipped)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// atRisk is the condition of an index.
const atRisk = `admitted AND verdict <> 'allow'`

// addScanHours adds the scans of each bucket, and those of today.
func (s *Store) addScanHours(ctx context.Context, o *web.Overview, q *web.OverviewQuery) error {
	now := q.Now.UTC()
	midnight := now.Truncate(day)
	begin := now.Add(-q.Span).Truncate(q.Step)
	for from := begin; !from.After(now); from = from.Add(q.Step) {
		o.Verdicts = append(o.Verdicts, web.VerdictBucket{From: from})
	}
	if begin.After(midnight) {
		begin = midnight
	}
	within := []any{floor(begin.UnixMicro(), microsPerHour), floor(now.UnixMicro(), microsPerHour)}
	return s.each(ctx, `SELECT hour, verdict, scans FROM scan_hours WHERE hour >= $1 AND hour <= $2`, within, func(rows *sql.Rows) error {
		var hour int64
		var verdict policy.Verdict
		var scans int
		if failure := rows.Scan(&hour, &verdict, &scans); failure != nil {
			return failure
		}
		at := time.UnixMicro(hour * microsPerHour).UTC()
		if !at.Before(midnight) {
			count(&o.Today, verdict, scans)
		}
		if at.Before(o.Verdicts[0].From) {
			return nil
		}
		if i := int(at.Sub(o.Verdicts[0].From) / q.Step); i < len(o.Verdicts) {
			count(&o.Verdicts[i].VerdictCounts, verdict, scans)
		}
		return nil
	})
}

func count(c *web.VerdictCounts, verdict policy.Verdict, scans int) {
	switch verdict {
	case policy.VerdictAllow:
		c.Allow += scans
	case policy.VerdictDeny:
		c.Deny += scans
	case policy.VerdictUnknown:
		c.Unknown += scans
	}
}

// denied reads what denied most scans since a day.
func (s *Store) denied(kind string, since int64, top int) deniedRead {
	return func(ctx context.Context) (list []web.DeniedCount, summed int64, err error) {
		list = []web.DeniedCount{}
		err = s.each(ctx, `SELECT name, CAST(SUM(scans) AS BIGINT) AS total, CAST(SUM(COUNT(*)) OVER () AS BIGINT) AS summed FROM denials WHERE kind = $1 AND day >= $2
			GROUP BY name ORDER BY total DESC, name LIMIT $3`, []any{kind, since, top}, func(rows *sql.Rows) error {
			var c web.DeniedCount
			if failure := rows.Scan(&c.Name, &c.Scans, &summed); failure != nil {
				return failure
			}
			list = append(list, c)
			return nil
		})
		return list, summed, err
	}
}

// ImagesAtRisk implements web.OverviewStore.
func (s *Store) ImagesAtRisk(ctx context.Context, q *web.RiskQuery) (list []web.ImageAtRisk, next string, err error) {
	limit := pageOf(q.Limit)
	err = steadily(ctx, func() (err error) {
		list, err = s.imagesAtRisk(ctx, q, limit)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list images at risk: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		last := &list[limit-1]
		next = wordsCursor(strconv.FormatInt(last.Since.UnixMicro(), 10), last.Digest, last.PolicyID)
	}
	images := make([]*admittedTo, len(list))
	for i := range list {
		images[i] = &admittedTo{digest: list[i].Digest, namespaces: &list[i].Namespaces, more: &list[i].More}
	}
	if err = steadily(ctx, func() error { return s.addNamespaces(ctx, images) }); err != nil {
		return nil, "", fmt.Errorf("list images at risk: %w", err)
	}
	return list, next, nil
}

func (s *Store) imagesAtRisk(ctx context.Context, q *web.RiskQuery, limit int) ([]web.ImageAtRisk, error) {
	c := &conditions{}
	c.add(atRisk)
	if q.Flipped {
		c.add("first_verdict = 'allow'")
	}
	if q.After != "" {
		values, err := cursorWords(q.After, true, false, false)
		if err != nil {
			return nil, err
		}
		c.add("(since, digest, policy_id) < (?, ?, ?)", values...)
	}
	c.args = append(c.args, limit+1)
	list := []web.ImageAtRisk{}
	err := s.each(ctx, `SELECT digest, policy_id, reference, verdict, since, admitted_at, first_verdict FROM image_verdicts`+c.where()+`
		ORDER BY since DESC, digest DESC, policy_id DESC LIMIT $`+strconv.Itoa(len(c.args)), c.args, func(rows *sql.Rows) error {
		image := web.ImageAtRisk{Namespaces: []string{}}
		var since, admitted int64
		var first policy.Verdict
		if failure := rows.Scan(&image.Digest, &image.PolicyID, &image.Reference, &image.Verdict, &since, &admitted, &first); failure != nil {
			return failure
		}
		image.Since, image.Admitted, image.Flipped = time.UnixMicro(since).UTC(), time.UnixMicro(admitted).UTC(), first == policy.VerdictAllow
		list = append(list, image)
		return nil
	})
	return list, err
}
