package advisory_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
)

// corpora says which ecosystem each file of testdata/versions is about.
var corpora = map[string]string{
	"debian.txt": "Debian:10", "alpine.txt": "Alpine:v3.11", "go.txt": "Go", "npm.txt": "npm", "pypi.txt": "PyPI",
	"rubygems.txt": "RubyGems", "nuget.txt": "NuGet", "maven.txt": "Maven", "packagist.txt": "Packagist", "crates.txt": "crates.io", "rpm.txt": "Red Hat:9",
}

func TestVersionCorpora(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/versions/*.txt")
	if err != nil || len(files) != len(corpora) {
		t.Fatalf("testdata/versions has %d files, the test knows %d: %v", len(files), len(corpora), err)
	}
	for _, file := range files {
		ecosystem := corpora[filepath.Base(file)]
		t.Run(ecosystem, func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lines := bufio.NewScanner(f)
			checked := 0
			for n := 1; lines.Scan(); n++ {
				if line := lines.Text(); !strings.HasPrefix(line, "#") {
					checkLine(t, ecosystem, line, n)
					checked++
				}
			}
			if checked < 15 {
				t.Fatalf("%s has %d lines only", file, checked)
			}
		})
	}
}

// checkLine checks "a < b" or "a = b", in both directions.
func checkLine(t *testing.T, ecosystem, line string, n int) {
	t.Helper()
	want, separator := -1, " < "
	if strings.Contains(line, " = ") {
		want, separator = 0, " = "
	}
	a, b, found := strings.Cut(line, separator)
	if !found {
		t.Fatalf("line %d, %q, compares nothing", n, line)
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{a, b, want}, {b, a, -want}, {a, a, 0}, {b, b, 0}} {
		got, err := advisory.CompareVersions(ecosystem, c.a, c.b)
		if err != nil || got != c.want {
			t.Errorf("line %d: compare %q with %q: %d, %v; want %d", n, c.a, c.b, got, err, c.want)
		}
	}
}

func TestParseVersionRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ecosystem, version, want string }{
		{"Debian:10", "", `version "" is no Debian version: it is empty`},
		{"Debian:10", "x:1.0", `version "x:1.0" is no Debian version: its epoch is no number`},
		{"Debian:10", ":1.0", `version ":1.0" is no Debian version: its epoch is no number`},
		{"Debian:10", "1.0-", `version "1.0-" is no Debian version: its revision is empty`},
		{"Debian:10", "1.0_2", `version "1.0_2" is no Debian version: its upstream part has a character that is not allowed`},
		{"Ubuntu:22.04:LTS", "1.0-1 2", `version "1.0-1 2" is no Ubuntu version: its revision has a character that is not allowed`},
		{"Debian:10", "-1", `version "-1" is no Debian version: its upstream part is empty`},
		{"Alpine:v3.11", "1.0.-r0", `version "1.0.-r0" is no Alpine version: it does not start with numbers separated by dots`},
		{"Alpine:v3.11", "1.0-1-r0", `version "1.0-1-r0" is no Alpine version: it has something after the version`},
		{"Alpine:v3.11", "1.0_final", `version "1.0_final" is no Alpine version: it has an unknown suffix`},
		{"Alpine:v3.11", "1.0-r", `version "1.0-r" is no Alpine version: its build is no number`},
		{"Alpine:v3.11", "1.0~xyz", `version "1.0~xyz" is no Alpine version: its commit hash is empty`},
		{"Go", "(devel)", `version "(devel)" is no Go version: it does not start with numbers separated by dots`},
		{"npm", "1.2.3.4", `version "1.2.3.4" is no npm version: it has more than three numbers`},
		{"npm", "1.0.0-*", `version "1.0.0-*" is no npm version: its pre-release is malformed`},
		{"crates.io", "1.0.0b1", `version "1.0.0b1" is no crates.io version: it has something after its numbers that is no pre-release`},
		{"PyPI", "2019-09-12", `version "2019-09-12" is no PyPI version: it does not follow PEP 440`},
		{"RubyGems", "master", `version "master" is no RubyGems version: it does not start with numbers separated by dots`},
		{"RubyGems", "1.0.", `version "1.0." is no RubyGems version: its parts are malformed`},
		{"NuGet", "1.2.3.4.5", `version "1.2.3.4.5" is no NuGet version: it has more than four numbers`},
		{"NuGet", "1.0.*", `version "1.0.*" is no NuGet version: it does not start with numbers separated by dots`},
		{"Maven", "${project.version}", `version "${project.version}" is no Maven version: it is a placeholder`},
		{"Packagist", "dev-main", `version "dev-main" is no Packagist version: it is a branch`},
		{"Packagist", "1.x-dev", `version "1.x-dev" is no Packagist version: it is a branch`},
		{"Packagist", "main", `version "main" is no Packagist version: it does not start with numbers separated by dots`},
		{"Tape", "1.0", `version "1.0" is no Tape version: the versions of this ecosystem are not known`},
		{"Maven", "1 0", `version "1 0" is no Maven version: it has a space or control character`},
		{"PyPI", strings.Repeat("1", 300), `version "` + strings.Repeat("1", 80) + `…" is no PyPI version: it has more than 256 bytes`},
	} {
		_, err := advisory.ParseVersion(c.ecosystem, c.version)
		var refused *advisory.VersionError
		if !errors.As(err, &refused) || err.Error() != c.want {
			t.Errorf("%s %q:\n got %v\nwant %s", c.ecosystem, c.version, err, c.want)
		}
		if _, err := advisory.CompareVersions(c.ecosystem, "1.0", c.version); err == nil {
			t.Errorf("%s %q was compared", c.ecosystem, c.version)
		}
	}
}

func TestCompareNeedsOneEcosystem(t *testing.T) {
	t.Parallel()
	a, err := advisory.ParseVersion("Go", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := advisory.ParseVersion("Debian:10", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Compare(b); err == nil {
		t.Error("versions of Go and Debian were compared")
	}
	if _, err := a.Compare(advisory.Version{}); err == nil {
		t.Error("a version was compared with none")
	}
}

func TestNormalizeName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ecosystem, name, want string }{
		{"PyPI", "Django", "django"},
		{"PyPI", "ruamel.yaml", "ruamel-yaml"},
		{"PyPI", "a__b-.c", "a-b-c"},
		{"PyPI", "trailing_", "trailing-"},
		{"NuGet", "Newtonsoft.Json", "newtonsoft.json"},
		{"Packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel"},
		{"PyPI", "already-fine", "already-fine"},
		{"npm", "JSONStream", "JSONStream"},
		{"Go", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"},
	} {
		if got := advisory.NormalizeName(c.ecosystem, c.name); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.ecosystem, c.name, got, c.want)
		}
	}
}
