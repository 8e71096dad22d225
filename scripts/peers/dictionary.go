package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
)

// dictionary tells which vulnerabilities the id of a record stands for, by the records alone.
type dictionary map[string][]string

var reCVE = regexp.MustCompile(`CVE-\d{4}-\d{4,}$`)

// entry is what a record says of its names.
type entry struct {
	id     string
	others []string // aliases, and ids that it was made from
}

// readDictionary reads the ids of all records of a directory of archives.
func readDictionary(osv string) (dictionary, error) {
	archives, err := filepath.Glob(filepath.Join(osv, "*", "all.zip"))
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, archive := range archives {
		if err := eachEntry(archive, func(id string, record map[string]any) error {
			e := entry{id: id}
			for _, field := range []string{"aliases", "upstream"} {
				for _, other := range list(record[field]) {
					name, _ := other.(string)
					e.others = append(e.others, name)
				}
			}
			entries = append(entries, e)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
	}
	return newDictionary(entries), nil
}

// newDictionary names records by the CVEs that they are about, else by the CVE that other records know for one of their aliases,
// else by the first of the ids that they share with others.
func newDictionary(entries []entry) dictionary {
	d := dictionary{}
	known := map[string][]string{} // alias → CVEs that records of one CVE have with it
	for _, e := range entries {
		if cves := e.cves(); len(cves) > 0 {
			d[e.id] = cves
			if len(cves) == 1 {
				for _, other := range append(e.others, e.id) {
					known[other] = append(known[other], cves[0])
				}
			}
		}
	}
	groups := groups{}
	for _, e := range entries {
		if d[e.id] != nil {
			continue
		}
		var cves []string
		for _, other := range append(e.others, e.id) {
			cves = append(cves, known[other]...)
		}
		if len(cves) > 0 {
			d[e.id] = set(cves)
			continue
		}
		for _, other := range e.others {
			groups.join(e.id, other)
		}
	}
	for id := range groups {
		if d[id] == nil {
			d[id] = []string{groups.first(id)}
		}
	}
	return d
}

// names gives what an id stands for: itself, where no record has it.
func (d dictionary) names(id string) []string {
	if names := d[id]; names != nil {
		return names
	}
	return []string{id}
}

// cves gives the CVEs that a record names as its own, as an alias, or at the end of its id.
func (e entry) cves() []string {
	var cves []string
	for _, id := range append([]string{e.id}, e.others...) {
		if cve := reCVE.FindString(id); cve != "" && (cve == id || id == e.id) {
			cves = append(cves, cve)
		}
	}
	return set(cves)
}

func set(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// groups are ids that stand for the same, as a forest: the first by name is the root.
type groups map[string]string

func (g groups) first(id string) string {
	for g[id] != "" && g[id] != id {
		id = g[id]
	}
	return id
}

func (g groups) join(a, b string) {
	a, b = g.first(a), g.first(b)
	g[max(a, b)] = min(a, b)
	g[min(a, b)] = min(a, b)
}
