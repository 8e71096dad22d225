package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// cause is a row of the table of known differences: which it explains, why they are, and how that was checked.
//
// Each cell that tells which is a list of patterns with commas between them, of which one must match all of the text; * stands for
// any text. So that no row hides what it was not written for, one of package, vulnerability and path must be narrower than *.
type cause struct {
	line    int // of the table's file
	only    string
	peers   patterns
	scope   [5]patterns // ecosystem, package, version, vulnerability, path
	why     string
	checked string
}

// columns are the table's heads.
func columns() []string {
	return []string{"only", "peer", "ecosystem", "package", "version", "vulnerability", "path", "why", "checked"}
}

// readCauses reads the table, a Markdown one whose heads are columns, from a text that may have others.
func readCauses(path string) ([]cause, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var causes []cause
	found, inside := false, false
	for i, line := range strings.Split(string(text), "\n") {
		row, isRow := cells(line)
		switch {
		case !isRow:
			inside = false
		case slices.Equal(row, columns()):
			found, inside = true, true
		case inside && strings.Trim(strings.Join(row, ""), "-:") != "":
			c, err := newCause(i+1, row)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
			causes = append(causes, c)
		}
	}
	if !found {
		return nil, fmt.Errorf("%s has no table with the heads %s", path, strings.Join(columns(), ", "))
	}
	return causes, nil
}

// cells gives the cells of a row of a Markdown table.
func cells(line string) ([]string, bool) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !ok {
		return nil, false
	}
	row := strings.Split(strings.TrimSuffix(inner, "|"), "|")
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
	}
	return row, true
}

func newCause(line int, row []string) (cause, error) {
	if len(row) != len(columns()) {
		return cause{}, fmt.Errorf("the row has %d cells, not %d", len(row), len(columns()))
	}
	c := cause{line: line, only: row[0], peers: newPatterns(row[1]), why: row[7], checked: row[8]}
	for i := range c.scope {
		c.scope[i] = newPatterns(row[2+i])
	}
	switch {
	case c.only != runecast && c.only != "peer":
		return cause{}, fmt.Errorf("only %q: say runecast or peer", c.only)
	case c.why == "" || c.checked == "":
		return cause{}, errors.New("a row must say why, and how that was checked")
	case c.scope[1].any() && c.scope[3].any() && c.scope[4].any():
		return cause{}, errors.New("one of package, vulnerability and path must be narrower than *")
	}
	return c, nil
}

// explains tells whether a difference is one that the row is about.
func (c *cause) explains(d *difference) bool {
	if (c.only == runecast) != (d.only == runecast) || !c.peers.match(d.peer) {
		return false
	}
	for i, text := range []string{d.ecosystem, d.name, d.version, d.vulnerability, d.path} {
		if !c.scope[i].match(text) {
			return false
		}
	}
	return true
}

// patterns are alternatives.
type patterns struct {
	text string
	re   *regexp.Regexp
}

func newPatterns(cell string) patterns {
	cell = strings.ReplaceAll(cell, "`", "")
	var alternatives []string
	for one := range strings.SplitSeq(cell, ",") {
		quoted := regexp.QuoteMeta(strings.TrimSpace(one))
		alternatives = append(alternatives, strings.ReplaceAll(quoted, `\*`, ".*"))
	}
	return patterns{text: cell, re: regexp.MustCompile(`^(?:` + strings.Join(alternatives, "|") + `)$`)}
}

func (p patterns) match(text string) bool { return p.re.MatchString(text) }

// any tells whether the patterns say nothing.
func (p patterns) any() bool { return p.match("") && p.match("x/y:z@1") }
