package advisory_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
)

// FuzzIndex opens a hostile file whose checksum is right, and uses everything in it.
func FuzzIndex(f *testing.F) {
	path, _ := write(f, contents())
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, uint16(0), byte(0))
	f.Add(good, uint16(200), byte(0xff))
	f.Add(good[:184], uint16(24), byte(1))
	inv := inventory.Inventory{Packages: []inventory.Package{
		opensslPackage(), {Ecosystem: "PyPI", Name: "old", Version: "0.1-legacy-version"}, {Ecosystem: "Debian:11", Name: "openssl", Version: "1"},
	}}
	f.Fuzz(func(t *testing.T, file []byte, at uint16, b byte) {
		if len(file) < 184 || len(file) > 1<<16 {
			return
		}
		file = bytes.Clone(file) // the input belongs to the fuzzer
		file[int(at)%len(file)] ^= b
		name := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(name, seal(file), 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := advisory.Open(name)
		if err != nil {
			if _, typed := errors.AsType[*advisory.IndexError](err); !typed {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		defer x.Close()
		verified := x.Verify(t.Context())
		m, err := x.Match(t.Context(), inv)
		if verified == nil && err != nil {
			t.Errorf("verified, and then %v", err)
		}
		for i := range m.Findings {
			_, _ = x.Advisory(m.Findings[i].Advisory)
		}
		_, _ = x.Advisory("CVE-2021-3711")
	})
}

// FuzzVersions compares any two texts: never a panic, and the order is the same from both sides.
func FuzzVersions(f *testing.F) {
	ecosystems := []string{
		"Debian:10", "Ubuntu:22.04:LTS", "Alpine:v3.11", "Go", "npm", "PyPI", "crates.io", "RubyGems", "Maven", "NuGet", "Packagist",
		"Rocky Linux:9", "Hackage", "CRAN", "Pub", "Red Hat:8",
	}
	for i := range ecosystems {
		f.Add(byte(i), "1.0-1", "1:2.0~rc1")
		f.Add(byte(i), "1.0.0-alpha.1+b", "v1!1.0.post1.dev2+x")
		f.Add(byte(i), "1.2.3_git20200101-r1", "1.0.0.Final")
	}
	f.Fuzz(func(t *testing.T, e byte, a, b string) {
		ecosystem := ecosystems[int(e)%len(ecosystems)]
		ab, err := advisory.CompareVersions(ecosystem, a, b)
		if err != nil {
			return
		}
		ba, err := advisory.CompareVersions(ecosystem, b, a)
		if err != nil || ab != -ba || ab < -1 || ab > 1 {
			t.Errorf("%s: %q against %q is %d, and the other way round %d, %v", ecosystem, a, b, ab, ba, err)
		}
	})
}
