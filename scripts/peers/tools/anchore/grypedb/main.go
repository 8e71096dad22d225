// Command grypedb writes a database for Grype, by Grype's own library, from the OSV records of a directory
// osv/<Ecosystem>/all.zip, so that Grype and runecast can be compared on the same data.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/spf13/afero"
)

func main() {
	osv := flag.String("osv", "", "`directory` with <Ecosystem>/all.zip")
	out := flag.String("o", "", "cache `directory` of Grype, for GRYPE_DB_CACHE_DIR")
	flag.Parse()
	if *osv == "" || *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*osv, *out); err != nil {
		fmt.Fprintln(os.Stderr, "grypedb:", err)
		os.Exit(1)
	}
}

// write fills the directory that Grype looks for below its cache, named by the version of its format.
func write(osv, cache string) error {
	dir := filepath.Join(cache, fmt.Sprint(v6.ModelVersion))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	w, err := v6.NewWriter(v6.Config{DBDirPath: dir})
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if err := w.SetDBMetadata(); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(osv, "*", "all.zip"))
	if err != nil || len(archives) == 0 {
		return fmt.Errorf("no <Ecosystem>/all.zip below %s (%w)", osv, err)
	}
	now := time.Now().UTC()
	b := &batch{writer: w, provider: &v6.Provider{ID: "osv", Version: "1", Processor: "grypedb", DateCaptured: &now}}
	for _, archive := range archives {
		if err := eachRecord(archive, b.add); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	if err := v6.Hydrater()(dir); err != nil {
		return fmt.Errorf("index database: %w", err)
	}
	if _, err := v6.WriteImportMetadata(afero.NewOsFs(), dir, "grypedb"); err != nil {
		return fmt.Errorf("write checksum: %w", err)
	}
	fmt.Println(strings.TrimSpace(fmt.Sprintf("%d records, %d affected packages", b.records, b.rows)))
	return nil
}
