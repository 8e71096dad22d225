package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// record is as much of an OSV record (https://ossf.github.io/osv-schema/) as Grype's database has room for.
type record struct {
	ID        string     `json:"id"`
	Summary   string     `json:"summary"`
	Details   string     `json:"details"`
	Aliases   []string   `json:"aliases"`
	Upstream  []string   `json:"upstream"`
	Withdrawn *time.Time `json:"withdrawn"`
	Affected  []affected `json:"affected"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges []struct {
		Type   string              `json:"type"`
		Events []map[string]string `json:"events"`
	} `json:"ranges"`
	Versions []string `json:"versions"`
}

// eachRecord reads the records of an archive, one at a time.
func eachRecord(path string, fn func(*record) error) error {
	archive, err := zip.OpenReader(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }() // only read from
	for _, entry := range archive.File {
		if !strings.HasSuffix(entry.Name, ".json") {
			continue
		}
		r, err := readRecord(entry)
		if err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
		if r.Withdrawn != nil {
			continue
		}
		if err := fn(r); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
	return nil
}

func readRecord(entry *zip.File) (*record, error) {
	in, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // only read from
	var r record
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return nil, err
	}
	return &r, nil
}

// constraints turns the events of the ranges into Grype's words, each with the version that fixes it, and lists versions one by
// one only where there is no range.
func (a *affected) constraints() (out []constraint) {
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		from := ""
		open := false
		for _, e := range r.Events {
			switch {
			case e["introduced"] != "":
				from, open = e["introduced"], true
			case e["fixed"] != "" && open:
				out = append(out, constraint{between(from, "< "+e["fixed"]), e["fixed"]})
				open = false
			case e["last_affected"] != "" && open:
				out = append(out, constraint{between(from, "<= "+e["last_affected"]), ""})
				open = false
			}
		}
		if open {
			out = append(out, constraint{between(from, ""), ""})
		}
	}
	if len(out) == 0 {
		for _, v := range a.Versions {
			out = append(out, constraint{"= " + v, ""})
		}
	}
	return out
}

type constraint struct{ versions, fixed string }

func between(from, to string) string {
	switch {
	case from == "0" || from == "":
		return to // empty: all versions
	case to == "":
		return ">= " + from
	default:
		return ">= " + from + ", " + to
	}
}
