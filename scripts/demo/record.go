package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// record is CVE-2021-3711 in Debian 10, in the OSV form: facts of the Debian security tracker (DSA-4963-1) and the NVD.
const record = `{"schema_version":"1.7.0","id":"DEBIAN-CVE-2021-3711","upstream":["CVE-2021-3711"],
 "published":"2021-08-24T15:15:00Z","modified":"2024-11-21T06:22:12Z",
 "summary":"Buffer overflow in OpenSSL's SM2 decryption",
 "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
 "affected":[{"package":{"ecosystem":"Debian:10","name":"openssl"},
  "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.1.1d-0+deb10u7"}]}]}]}`

// writeRecord writes it as an OSV export.
func writeRecord(dir string) (err error) {
	folder := filepath.Join(dir, "osv", "Debian")
	if err = os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the feed's directory: %w", err)
	}
	file, err := os.Create(filepath.Join(folder, "all.zip")) //nolint:gosec // a temporary directory of our own
	if err != nil {
		return fmt.Errorf("make the feed: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	archive := zip.NewWriter(file)
	entry, err := archive.Create("DEBIAN-CVE-2021-3711.json")
	if err != nil {
		return fmt.Errorf("add the record: %w", err)
	}
	if _, err := entry.Write([]byte(record)); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("finish the feed: %w", err)
	}
	return nil
}
