package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// diff compares what the programs find in all images, and fails where the table of causes does not say why they differ.
func (l *lab) diff(ctx context.Context) error {
	causes, err := readCauses(l.table)
	if err != nil {
		return err
	}
	feeds := filepath.Join(l.work, "feeds-diff")
	if failed := withKnown(l.feeds, feeds); failed != nil {
		return failed
	}
	given, err := l.prepare(ctx, "diff", feeds)
	if err != nil {
		return err
	}
	words, err := readDictionary(given.osv)
	if err != nil {
		return err
	}
	var all []difference
	for _, image := range sorted(l.Images) {
		differences, err := l.differences(ctx, image, given, words)
		if err != nil {
			return fmt.Errorf("image %s: %w", image, err)
		}
		all = append(all, differences...)
	}
	return report(os.Stdout, l.table, causes, all)
}

// differences runs the programs on one image and compares runecast with each of the others.
func (l *lab) differences(ctx context.Context, image string, d data, words dictionary) ([]difference, error) {
	found := map[string]findings{}
	programs := l.programs(image, d)
	for i := range programs {
		if programs[i].name == syft { // it lists packages and finds nothing
			continue
		}
		if programs[i].name == osvScanner { // what it has and does not use on images by itself
			programs[i].args = append(programs[i].args, "--experimental-plugins", "artifact,javascript/packagejson,ruby/gemspec,dotnet/depsjson")
		}
		var err error
		if found[programs[i].name], err = programs[i].look(ctx, words); err != nil {
			return nil, err
		}
	}
	fmt.Printf("\nimage %s\n  %-12s %5d  %s\n", image, runecast, len(found[runecast]), strings.Join(found[runecast].count(), ", "))
	var all []difference
	for _, peer := range []string{grype, osvScanner} {
		differences, both := compare(image, peer, found[runecast], found[peer])
		ours := 0
		for i := range differences {
			if differences[i].only == runecast {
				ours++
			}
		}
		fmt.Printf("  %-12s %5d  %s; both %d, runecast alone %d, %s alone %d\n", peer, len(found[peer]), strings.Join(found[peer].count(), ", "), both, ours, peer, len(differences)-ours)
		all = append(all, differences...)
	}
	return all, nil
}

// report tells what explains the differences. One that nothing explains is an error, and so is a row that explains none.
func report(w io.Writer, table string, causes []cause, all []difference) error {
	e := explain(causes, all)
	fmt.Fprintf(w, "\n%d differences\n", len(all))
	var stale []error
	for i := range causes {
		fmt.Fprintf(w, "  %5d  %s:%d only %s: %s\n", e.used[i], filepath.Base(table), causes[i].line, causes[i].only, causes[i].why)
		if e.used[i] == 0 {
			stale = append(stale, fmt.Errorf("%s:%d explains no difference any more", table, causes[i].line))
		}
	}
	for i := range e.unknown {
		d := &e.unknown[i]
		fmt.Fprintf(w, "UNEXPLAINED image %s, %s and not %s: %s\n", d.image, d.only, d.other(), d.finding)
	}
	if len(e.unknown) > 0 {
		stale = append(stale, fmt.Errorf("%d differences have no row in %s", len(e.unknown), table))
	}
	return errors.Join(stale...)
}

// other is the program that lacks the finding.
func (d *difference) other() string {
	if d.only == runecast {
		return d.peer
	}
	return runecast
}

// String gives the cells that a row of the table has to match.
func (f finding) String() string {
	return strings.Join([]string{f.ecosystem, f.name, f.version, f.vulnerability, f.path}, " | ")
}
