package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/web"
)

var _ web.VulnerabilityStore = (*Store)(nil)

// summaryColumns are what a summary is read of.
const summaryColumns = `v.name, v.severity, v.images, v.fixable`

// Vulnerabilities implements web.VulnerabilityStore.
func (s *Store) Vulnerabilities(ctx context.Context, q *web.VulnerabilityQuery) (list []web.VulnerabilitySummary, next string, err error) {
	limit := pageOf(q.Limit)
	err = steadily(ctx, func() (err error) {
		list, err = s.vulnerabilities(ctx, q, limit)
		return err
	})
	switch {
	case errors.Is(err, errNothing):
		return []web.VulnerabilitySummary{}, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("list vulnerabilities: %w", err)
	case len(list) <= limit:
		return list, "", nil
	}
	list = list[:limit]
	last := &list[limit-1]
	severity, err := advisory.ParseSeverity(last.Severity)
	if err != nil {
		return nil, "", fmt.Errorf("list vulnerabilities: %w", err)
	}
	return list, wordsCursor(strconv.Itoa(int(severity)), strconv.Itoa(last.Images), last.ID), nil
}

// pageOf gives the size of a page of which limit is asked for.
func pageOf(limit int) int {
	if limit <= 0 {
		limit = defaultPage
	}
	return min(limit, maxPage)
}

func (s *Store) vulnerabilities(ctx context.Context, q *web.VulnerabilityQuery, limit int) ([]web.VulnerabilitySummary, error) {
	c := &conditions{}
	c.add("v.images > 0")
	if q.Severity != "" {
		severities, err := severitiesOf(q.Severity)
		if err != nil {
			return nil, err
		}
		c.add("v.severity IN (?)", severities)
	}
	if q.Fixable {
		c.add("v.fixable > 0")
	}
	if q.Text != "" {
		c.add(`v.search LIKE ? ESCAPE '\'`, "%"+literally(searchable(q.Text))+"%")
	}
	if q.After != "" {
		values, err := cursorWords(q.After, true, true, false)
		if err != nil {
			return nil, err
		}
		c.add("(v.severity, v.images, v.name) < (?, ?, ?)", values...)
	}
	c.args = append(c.args, limit+1)
	list := []web.VulnerabilitySummary{}
	err := s.each(ctx, `SELECT `+summaryColumns+` FROM vulnerabilities AS v`+c.where()+`
		ORDER BY v.severity DESC, v.images DESC, v.name DESC LIMIT $`+strconv.Itoa(len(c.args)), c.args, func(rows *sql.Rows) error {
		var v web.VulnerabilitySummary
		var severity uint8
		if failure := rows.Scan(&v.ID, &severity, &v.Images, &v.Fixable); failure != nil {
			return failure
		}
		v.Severity = advisory.Severity(severity).String()
		list = append(list, v)
		return nil
	})
	return list, err
}

// severitiesOf gives the numbers of a filter's word.
func severitiesOf(word string) ([]int64, error) {
	severity, err := advisory.ParseSeverity(word)
	switch {
	case err != nil || severity == advisory.SeverityNone:
		return nil, errNothing
	case severity == advisory.SeverityLow:
		return []int64{int64(advisory.SeverityLow), int64(advisory.SeverityNone)}, nil
	}
	return []int64{int64(severity)}, nil
}

// Vulnerability implements web.VulnerabilityStore.
func (s *Store) Vulnerability(ctx context.Context, id string) (v *web.Vulnerability, err error) {
	err = steadily(ctx, func() (err error) {
		v, err = s.vulnerability(ctx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read vulnerability %s: %w", id, err)
	}
	return v, nil
}

func (s *Store) vulnerability(ctx context.Context, id string) (*web.Vulnerability, error) {
	// What bears the name comes before what has it as an alias.
	var found *web.Vulnerability
	var number int64
	err := s.each(ctx, `SELECT v.id, `+summaryColumns+` FROM vulnerability_aliases AS a JOIN vulnerabilities AS v ON v.id = a.vulnerability
		WHERE a.alias = $1 ORDER BY CASE WHEN v.name = $2 THEN 0 WHEN lower(v.name) = $1 THEN 1 ELSE 2 END, v.severity DESC, v.name LIMIT 50`, []any{searchable(id), key(id)}, func(rows *sql.Rows) error {
		var one web.VulnerabilitySummary
		var n int64
		var severity uint8
		if failure := rows.Scan(&n, &one.ID, &severity, &one.Images, &one.Fixable); failure != nil {
			return failure
		}
		if found != nil {
			found.Others = append(found.Others, one.ID)
			return nil
		}
		one.Severity = advisory.Severity(severity).String()
		found, number = &web.Vulnerability{VulnerabilitySummary: one}, n
		return nil
	})
	if err != nil || found == nil {
		return nil, err
	}
	if strings.EqualFold(found.ID, id) {
		found.Others = nil
	}
	slices.Sort(found.Others)
	return found, s.addDetails(ctx, found, number)
}

// addDetails adds what is known of a vulnerability.
func (s *Store) addDetails(ctx context.Context, v *web.Vulnerability, number int64) error {
	var seen int64
	var document []byte
	err := s.reader.QueryRowContext(ctx, `SELECT seen_at, document FROM vulnerability_details WHERE vulnerability = $1`, number).Scan(&seen, &document)
	if err != nil {
		return err
	}
	if err = s.codec.unpack(document, &v.Finding); err != nil {
		return fmt.Errorf("the stored document is damaged: %w", err)
	}
	v.Seen = time.UnixMicro(seen).UTC()
	v.Aliases = []string{}
	for _, alias := range append([]string{v.Finding.Advisory}, v.Finding.Aliases...) {
		if alias != "" && alias != v.ID {
			v.Aliases = append(v.Aliases, alias)
		}
	}
	slices.Sort(v.Aliases)
	v.Aliases = slices.Compact(v.Aliases)
	return nil
}
