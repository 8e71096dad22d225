package main

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
)

// Ecosystems that the programs find packages of, and that a directory of public data may lack, are compared with a few records
// written for it. They state what is publicly known of well-known vulnerabilities.

// known is one such vulnerability of one package.
type known struct {
	ecosystem, name string
	id, cve         string
	ranges          [][2]string // introduced, fixed
}

func knownOnes() []known {
	return []known{
		{"Maven", "org.apache.logging.log4j:log4j-core", "GHSA-jfh8-c2jw-p3q8", "CVE-2021-44228", [][2]string{{"2.0-beta9", "2.3.1"}, {"2.4", "2.12.2"}, {"2.13.0", "2.15.0"}}},
		{"Maven", "org.apache.commons:commons-text", "GHSA-599f-7c49-w659", "CVE-2022-42889", [][2]string{{"1.5", "1.10.0"}}},
		{"Maven", "com.fasterxml.jackson.core:jackson-databind", "GHSA-57j2-w4cx-62h2", "CVE-2020-36518", [][2]string{{"0", "2.12.6.1"}, {"2.13.0", "2.13.2.1"}}},
		{"Maven", "org.yaml:snakeyaml", "GHSA-mjmj-j48q-9wg2", "CVE-2022-1471", [][2]string{{"0", "2.0"}}},
		{"Maven", "org.springframework:spring-beans", "GHSA-36p3-wjmg-h94x", "CVE-2022-22965", [][2]string{{"0", "5.2.20.RELEASE"}, {"5.3.0", "5.3.18"}}},
		{"NuGet", "Newtonsoft.Json", "GHSA-5crp-9r3c-p9vr", "CVE-2024-21907", [][2]string{{"0", "13.0.1"}}},
		{"NuGet", "System.Text.Encodings.Web", "GHSA-ghhp-997w-qr28", "CVE-2021-26701", [][2]string{{"4.0.0", "4.5.1"}, {"4.6.0", "4.7.2"}, {"5.0.0", "5.0.1"}}},
		{"NuGet", "System.Net.Http", "GHSA-7jgj-8wvc-jh57", "CVE-2018-8292", [][2]string{{"0", "4.3.4"}}},
		{"Packagist", "guzzlehttp/psr7", "GHSA-q7rv-6hp3-vh96", "CVE-2022-24775", [][2]string{{"0", "1.8.4"}, {"2.0.0", "2.1.1"}}},
		{"Packagist", "twig/twig", "GHSA-52m2-vc4m-jj33", "CVE-2022-39261", [][2]string{{"1.0.0", "1.44.7"}, {"2.0.0", "2.15.3"}, {"3.0.0", "3.4.3"}}},
		{"Packagist", "phpmailer/phpmailer", "GHSA-5f37-gxvh-23v6", "CVE-2016-10033", [][2]string{{"5.0.0", "5.2.18"}}},
	}
}

// record gives it in OSV's form.
func (k *known) record() map[string]any {
	var ranges []any
	for _, r := range k.ranges {
		ranges = append(ranges, map[string]any{"type": "ECOSYSTEM", "events": []any{map[string]any{"introduced": r[0]}, map[string]any{"fixed": r[1]}}})
	}
	return map[string]any{
		"schema_version": "1.7.0", "id": k.id, "aliases": []any{k.cve}, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
		"affected": []any{map[string]any{"package": map[string]any{"ecosystem": k.ecosystem, "name": k.name}, "ranges": ranges}},
	}
}

// withKnown makes a directory with the archives of another and, of ecosystems that it lacks, ones of the known vulnerabilities.
func withKnown(feeds, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	given, err := filepath.Glob(filepath.Join(feeds, "osv", "*", "all.zip"))
	if err != nil {
		return err
	}
	for _, archive := range given {
		dir := filepath.Join(to, "osv", filepath.Base(filepath.Dir(archive)))
		if err := errors.Join(os.MkdirAll(dir, 0o750), os.Symlink(archive, filepath.Join(dir, "all.zip"))); err != nil {
			return err
		}
	}
	lacking := map[string][]map[string]any{}
	for _, k := range knownOnes() {
		if _, err := os.Lstat(filepath.Join(to, "osv", k.ecosystem)); err != nil {
			lacking[k.ecosystem] = append(lacking[k.ecosystem], k.record())
		}
	}
	for ecosystem, records := range lacking {
		if err := writeArchive(filepath.Join(to, "osv", ecosystem), records); err != nil {
			return err
		}
	}
	return nil
}

func writeArchive(dir string, records []map[string]any) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	file, err := os.Create(filepath.Clean(filepath.Join(dir, "all.zip")))
	if err != nil {
		return err
	}
	out := zip.NewWriter(file)
	for _, record := range records {
		err = errors.Join(err, writeEntry(out, record))
	}
	return errors.Join(err, out.Close(), file.Close())
}
