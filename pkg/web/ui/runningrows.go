package ui

import (
	"context"
	"fmt"
	"strings"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/web"
)

// runningScans gives the rows of scans that are not done, which stand before all others on the first page of the list.
func (s *server) runningScans(ctx context.Context, f *scanFilters) ([]scanRow, error) {
	list, err := s.Store.RunningScans(ctx)
	if err != nil {
		return nil, fmt.Errorf("list running scans: %w", err)
	}
	var rows []scanRow
	for i := range list {
		running := &list[i]
		row := scanRow{ID: running.ID, Status: web.StatusRunning, Trigger: string(admission.TriggerUI), Policy: running.Policy, At: running.At, Open: true}
		if stopped(running, s.Now()) {
			row.Status = web.StatusFailed
		}
		for j := range running.Images {
			row.Images = append(row.Images, running.Images[j].Reference)
		}
		if f.wants(running, &row) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// wants tells whether a running scan is among those that are asked for. It has no verdict and no findings yet, and no namespace.
func (f *scanFilters) wants(running *web.RunningScan, row *scanRow) bool {
	day := running.At.Format(dayLayout)
	for _, filter := range []struct{ asked, is string }{
		{f.Verdict, ""}, {f.Severity, ""}, {f.Namespace, ""}, {f.Name, ""}, {f.Status, row.Status}, {f.Trigger, row.Trigger}, {f.Policy, running.PolicyID},
	} {
		if filter.asked != "" && filter.asked != filter.is {
			return false
		}
	}
	return (f.From == "" || f.From <= day) && (f.To == "" || day <= f.To) &&
		contains(running.User, f.User) && contains(strings.Join(row.Images, "\n"), f.Image)
}

// contains tells whether a text has a part, in any case.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
