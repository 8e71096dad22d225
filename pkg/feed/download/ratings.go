package download

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

const maxKEV = 256 << 20 // bytes

// one gets a source that is one file.
func (f *fetcher) one(ctx context.Context, name, dir string) (string, error) {
	w := map[string]wanted{
		CVE:  {url: f.opts.URLs.CVE, check: checkCVE},
		EPSS: {url: f.opts.URLs.EPSS, check: checkEPSS},
		KEV:  {url: f.opts.URLs.KEV, maxBytes: maxKEV, check: checkKEV},
	}[name]
	w.stage, w.path = name, filepath.Join(dir, fileOf(name))
	if _, _, err := f.file(ctx, &w); err != nil {
		return "", err
	}
	f.opts.Progress(name, 1, 1)
	return w.path, nil
}

// checkCVE looks for records in the directory of the zip; the records are read, and their checksums compared, by the build.
func checkCVE(_ context.Context, path string) error {
	names, err := zipNames(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if base := filepath.Base(name); strings.HasPrefix(base, "CVE-") && strings.HasSuffix(base, ".json") {
			return nil
		}
	}
	return errors.New("the zip has no CVE records")
}

// checkEPSS reads all, so that a file that was cut off is found.
func checkEPSS(ctx context.Context, path string) error {
	h := &heading{}
	if _, err := unzipped(ctx, path, h); err != nil {
		return err
	}
	if !bytes.Contains(h.text, []byte("cve,epss,percentile")) {
		return errors.New("it has no heading cve,epss,percentile and is no EPSS file")
	}
	return nil
}

// heading keeps the beginning of what is written to it.
type heading struct{ text []byte }

func (h *heading) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), max(0, 1024-len(h.text)))]...)
	return len(p), nil
}

func checkKEV(_ context.Context, path string) error {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	var catalogue struct {
		Vulnerabilities []json.RawMessage `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(text, &catalogue); err != nil {
		return err
	}
	if len(catalogue.Vulnerabilities) == 0 {
		return errors.New("it has no vulnerabilities and is not CISA's catalogue")
	}
	return nil
}

// lastGood gives the files of a source's last run; none where there are none, or not those of all its parts.
func lastGood(name, dir string) []string {
	if name == NVD {
		return lastNVD(dir)
	}
	path := filepath.Join(dir, fileOf(name))
	if sizeOf(path) == 0 {
		return nil
	}
	return []string{path}
}

// fileOf names the file of a source that is one file.
func fileOf(name string) string {
	return map[string]string{CVE: "cve5.zip", EPSS: "epss_scores.csv.gz", KEV: "known_exploited_vulnerabilities.json"}[name]
}
