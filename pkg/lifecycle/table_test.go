package lifecycle //nolint:testpackage // the table is not exported

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTable checks every line of the table: its form, its dates, its source, and the order, in which no release is twice.
func TestTable(t *testing.T) {
	t.Parallel()
	var rows []row
	for line := range strings.Lines(releases) {
		line = strings.TrimSpace(line)
		r, ok := parseRow(line)
		if !ok {
			if line != "" && !strings.HasPrefix(line, "#") {
				t.Errorf("line %q has not four columns", line)
			}
			continue
		}
		rows = append(rows, r)
		if !strings.HasPrefix(r.source, "https://") {
			t.Errorf("%s %s names no source", r.id, r.release)
		}
		if r.release == "*" {
			if r.end != "rolling" || r.extended != "-" {
				t.Errorf("%s has no releases and yet dates", r.id)
			}
			continue
		}
		if _, err := time.Parse(time.DateOnly, r.end); err != nil {
			t.Errorf("%s %s: %v", r.id, r.release, err)
		}
		if _, err := time.Parse(time.DateOnly, r.extended); r.extended != "-" && (err != nil || r.extended <= r.end) {
			t.Errorf("%s %s: extended support to %s after %s: %v", r.id, r.release, r.extended, r.end, err)
		}
		if got := releaseOf(r.id, r.release); got != r.release {
			t.Errorf("%s %s is looked up as %s", r.id, r.release, got)
		}
	}
	if len(rows) < 100 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for i, r := range rows[1:] {
		before := rows[i]
		if before.id > r.id || before.id == r.id && slices.Compare(numbers(t, before.release), numbers(t, r.release)) >= 0 {
			t.Errorf("%s %s stands after %s %s", r.id, r.release, before.id, before.release)
		}
	}
}

func numbers(t *testing.T, release string) []int {
	t.Helper()
	var list []int
	for part := range strings.SplitSeq(release, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			t.Errorf("release %q: %v", release, err)
		}
		list = append(list, n)
	}
	return list
}
