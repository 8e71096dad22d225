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
	return f.Verdict == "" && f.Severity == "" && f.Namespace == "" &&
		(f.Status == "" || f.Status == row.Status) && (f.Trigger == "" || f.Trigger == row.Trigger) && (f.Policy == "" || f.Policy == running.PolicyID) &&
		(f.From == "" || f.From <= day) && (f.To == "" || day <= f.To) &&
		strings.Contains(strings.ToLower(strings.Join(row.Images, "\n")), strings.ToLower(f.Image))
}
