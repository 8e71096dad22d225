package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// data is one set of advisories in the form of each program.
type data struct {
	osv      string // directory with <Ecosystem>/all.zip
	index    string // runecast's
	grype    string // cache directory
	osvLocal string // cache directory of osv-scanner
}

// prepare compiles a directory of OSV archives for each program: for Grype, which takes long, only when they change.
func (l *lab) prepare(ctx context.Context, name, feeds string) (data, error) {
	dir := filepath.Join(l.work, "data-"+name)
	d := data{
		osv: filepath.Join(feeds, "osv"), index: filepath.Join(dir, "feed.index"), grype: filepath.Join(dir, "grype"), osvLocal: filepath.Join(dir, "osv"),
	}
	fmt.Fprintln(os.Stderr, "compiling the data of", feeds)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return data{}, err
	}
	if err := compile(ctx, filepath.Join(l.bin, runecast), "feed", "build", "--osv", d.osv, "-o", d.index); err != nil {
		return data{}, err
	}
	state, err := l.state(d.osv)
	if err != nil {
		return data{}, err
	}
	complete := filepath.Join(dir, "complete")
	if made, failed := os.ReadFile(filepath.Clean(complete)); failed == nil && string(made) == state {
		return d, nil
	}
	if err := errors.Join(os.RemoveAll(complete), os.RemoveAll(d.grype), os.RemoveAll(d.osvLocal)); err != nil {
		return data{}, err
	}
	if err := compile(ctx, filepath.Join(l.bin, "grypedb"), "-osv", d.osv, "-o", d.grype); err != nil {
		return data{}, err
	}
	if err := d.fillLocal(); err != nil {
		return data{}, err
	}
	return d, os.WriteFile(complete, []byte(state), 0o600)
}

func compile(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, tail(out))
	}
	return nil
}

// state tells one state of the data, and of the program that compiles it for Grype, from another.
func (l *lab) state(osv string) (string, error) {
	files, err := filepath.Glob(filepath.Join(osv, "*", "all.zip"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, path := range append(files, filepath.Join(l.bin, "grypedb")) {
		file, err := os.Open(filepath.Clean(path))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, path)
		_, err = io.Copy(sum, file)
		if failed := errors.Join(err, file.Close()); failed != nil {
			return "", failed
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// fillLocal gives osv-scanner the same archives, and empty ones of the other ecosystems that it asks for.
func (d data) fillLocal() error {
	given, err := filepath.Glob(filepath.Join(d.osv, "*", "all.zip"))
	if err != nil {
		return err
	}
	for _, archive := range given {
		target := filepath.Join(d.osvLocal, "osv-scalibr", filepath.Base(filepath.Dir(archive)))
		if err := os.MkdirAll(target, 0o750); err != nil {
			return err
		}
		if err := os.Symlink(archive, filepath.Join(target, "all.zip")); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	for _, ecosystem := range []string{"Maven", "NuGet", "Packagist", "GIT", "Hex", "Pub", "CRAN", "GitHub Actions", "SwiftURL", "Hackage", "Bitnami"} {
		target := filepath.Join(d.osvLocal, "osv-scalibr", ecosystem)
		if _, err := os.Lstat(target); err == nil {
			continue // given
		}
		if err := os.MkdirAll(target, 0o750); err != nil {
			return err
		}
		if err := emptyZip(filepath.Join(target, "all.zip")); err != nil {
			return err
		}
	}
	return nil
}

func emptyZip(path string) error {
	out, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	return errors.Join(zip.NewWriter(out).Close(), out.Close())
}

// The programs that are compared.
const (
	runecast   = "runecast"
	grype      = "grype"
	syft       = "syft"
	osvScanner = "osv-scanner"
)

// programs gives the command lines that look at an image. All but osv-scanner pull it from the registry; nothing is kept from
// an earlier run.
func (l *lab) programs(image string, d data) []program {
	scratch := filepath.Join(l.work, "scratch")
	temporary := func(name string) string { return filepath.Join(scratch, name) }
	return []program{
		{
			name: runecast, cold: temporary(runecast), okay: []int{1},
			args: []string{filepath.Join(l.bin, runecast), "scan", l.reference(image), "--feed", d.index, "--data-dir", temporary(runecast), "-o", "json"},
		}, {
			name: grype, cold: temporary(grype),
			args: []string{filepath.Join(l.bin, grype), "registry:" + l.reference(image), "-o", "json", "-q"},
			env: []string{
				"GRYPE_DB_CACHE_DIR=" + d.grype, "GRYPE_DB_AUTO_UPDATE=false", "GRYPE_DB_VALIDATE_AGE=false", "GRYPE_CHECK_FOR_APP_UPDATE=false",
				"GRYPE_REGISTRY_INSECURE_USE_HTTP=true", "TMPDIR=" + temporary(grype),
			},
		}, {
			name: syft, cold: temporary(syft),
			args: []string{filepath.Join(l.bin, syft), "registry:" + l.reference(image), "-o", "syft-json", "-q"},
			env:  []string{"SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_REGISTRY_INSECURE_USE_HTTP=true", "TMPDIR=" + temporary(syft)},
		}, {
			name: osvScanner, cold: temporary(osvScanner), okay: []int{1},
			args: []string{
				filepath.Join(l.bin, osvScanner), "scan", "image", "--archive", l.archive(image), "--offline", "--offline-vulnerabilities", "--format", "json", "--all-packages",
			},
			env: []string{"OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY=" + d.osvLocal, "TMPDIR=" + temporary(osvScanner)},
		},
	}
}
