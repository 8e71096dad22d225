package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// multiply copies advisories under other names until there are so many affected packages, so that no program wins by a small
// database. What the images contain is affected as before: the copies' packages do not exist.
func multiply(from, to string, rows int) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	made := to + ".part"
	if err := os.RemoveAll(made); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(from, "osv", "*", "all.zip"))
	if err != nil {
		return err
	}
	total := 0
	for _, archive := range archives {
		if err := eachEntry(archive, func(_ string, record map[string]any) error {
			total += len(list(record["affected"]))
			return nil
		}); err != nil {
			return err
		}
	}
	if total == 0 {
		return fmt.Errorf("no records below %s", from)
	}
	copies := (rows + total - 1) / total
	for _, archive := range archives {
		target := filepath.Join(made, "osv", filepath.Base(filepath.Dir(archive)))
		if err := os.MkdirAll(target, 0o750); err != nil {
			return err
		}
		if err := copyTimes(archive, filepath.Join(target, "all.zip"), copies); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	return os.Rename(made, to)
}

func list(v any) []any {
	values, _ := v.([]any)
	return values
}

func copyTimes(from, to string, copies int) error {
	file, err := os.Create(filepath.Clean(to))
	if err != nil {
		return err
	}
	out := zip.NewWriter(file)
	err = eachEntry(from, func(id string, record map[string]any) error {
		for n := range copies {
			if n > 0 {
				rename(record, id, n)
			}
			if failed := writeEntry(out, record); failed != nil {
				return failed
			}
		}
		return nil
	})
	return errors.Join(err, out.Close(), file.Close())
}

// rename makes a record another one: its id, its aliases and its packages.
func rename(record map[string]any, id string, n int) {
	suffix := fmt.Sprintf("-copy%d", n)
	record["id"] = id + suffix
	delete(record, "aliases")
	delete(record, "upstream")
	delete(record, "related")
	for _, a := range list(record["affected"]) {
		affected, _ := a.(map[string]any)
		pkg, _ := affected["package"].(map[string]any)
		name, _ := pkg["name"].(string)
		base := name
		if n > 1 {
			base = name[:len(name)-len(fmt.Sprintf("-copy%d", n-1))]
		}
		if pkg != nil {
			pkg["name"] = base + suffix
			delete(pkg, "purl")
		}
	}
}

func writeEntry(out *zip.Writer, record map[string]any) error {
	id, _ := record["id"].(string)
	w, err := out.Create(id + ".json")
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(record)
}

func eachEntry(path string, fn func(id string, record map[string]any) error) error {
	archive, err := zip.OpenReader(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }() // only read from
	for _, entry := range archive.File {
		in, err := entry.Open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(in)
		if failed := errors.Join(err, in.Close()); failed != nil {
			return failed
		}
		var record map[string]any
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&record); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
		id, _ := record["id"].(string)
		if err := fn(id, record); err != nil {
			return err
		}
	}
	return nil
}
