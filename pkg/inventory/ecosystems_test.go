package inventory_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// wantPackages reads one file of an Alpine image and compares what is found, of a type and an ecosystem, and what is told.
func wantPackages(t *testing.T, it item, kind, want, warning string) {
	t.Helper()
	inv := mustMerge(t, scanItems(t, text("etc/os-release", alpine319), text("lib/apk/db/installed", ""), it))
	if got := names(inv); got != want {
		t.Errorf("packages are %q, want %q", got, want)
	}
	for i := range inv.Packages {
		if p := &inv.Packages[i]; p.Type+" "+p.Ecosystem != kind || p.Path != it.name {
			t.Errorf("package is %+v", *p)
		}
	}
	if got := told(inv); got != warning {
		t.Errorf("warnings are %q, want %q", got, warning)
	}
}

// fuzzFile reads one file, which gives no more packages than it has room for, and each with a name and a version.
func fuzzFile(t *testing.T, path, content string, most int) {
	t.Helper()
	inv := mustMerge(t, scanItems(t, text(path, content)))
	if len(inv.Packages) > most {
		t.Errorf("%d packages from %d bytes", len(inv.Packages), len(content))
	}
	for i := range inv.Packages {
		if p := &inv.Packages[i]; p.Name == "" || p.Version == "" {
			t.Errorf("package is %+v", *p)
		}
	}
}

// languageFiles has a file of each ecosystem, by path.
func languageFiles(tb testing.TB) []item {
	tb.Helper()
	return []item{
		text("srv/specifications/rack-2.2.3.gemspec", rackSpec),
		text("srv/vendor/composer/installed.json", "["+monolog+"]"),
		text("srv/app.deps.json", depsJSON),
		text("srv/a.jar", jarOf(tb, "g", "a", "1.0")),
	}
}

// TestLanguageFilesInLayers deletes and replaces each ecosystem's file in a later layer, and has it owned by a package.
func TestLanguageFilesInLayers(t *testing.T) {
	t.Parallel()
	for _, it := range languageFiles(t) {
		t.Run(it.name, func(t *testing.T) {
			t.Parallel()
			below := scanItems(t, it)
			alone := mustMerge(t, below)
			if len(alone.Packages) == 0 {
				t.Fatal("nothing is found")
			}
			dir, base := it.name[:strings.LastIndex(it.name, "/")], it.name[strings.LastIndex(it.name, "/")+1:]
			for name, above := range map[string]item{
				"whiteout": whiteoutOf(dir, base), "opaque": opaqueDir("srv"), "link": symlink(it.name, "/dev/null"), "removed above": whiteoutOf("", "srv"),
			} {
				if inv := mustMerge(t, below, scanItems(t, above)); len(inv.Packages) > 0 || len(inv.Unread) > 0 {
					t.Errorf("%s: packages are %s, unread %q", name, names(inv), inv.Unread)
				}
			}
			owned := item{name: "usr/share/" + strings.TrimPrefix(it.name, "srv/"), text: it.text, kind: it.kind}
			list := text("var/lib/dpkg/info/python3-django.list", "/"+owned.name+"\n")
			inv := mustMerge(t, scanItems(t, append(debianBase(dpkgDjango), list, owned)...))
			if inv.Owned != len(alone.Packages) || len(inv.Packages) != 1 {
				t.Errorf("%d are owned, packages are %s", inv.Owned, names(inv))
			}
		})
	}
}

func TestLanguagePURL(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]inventory.Package{
		"pkg:gem/rack@2.2.3":                                   {Type: "gem", Ecosystem: "RubyGems", Name: "rack", Version: "2.2.3"},
		"pkg:composer/monolog/monolog@2.8.0":                   {Type: "composer", Ecosystem: "Packagist", Name: "monolog/monolog", Version: "2.8.0"},
		"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1": {Type: "maven", Ecosystem: "Maven", Name: "org.apache.logging.log4j:log4j-core", Version: "2.14.1"},
		"pkg:nuget/Newtonsoft.Json@12.0.3":                     {Type: "nuget", Ecosystem: "NuGet", Name: "Newtonsoft.Json", Version: "12.0.3"},
	} {
		if got := p.PURL(); got != want {
			t.Errorf("package URL of %s is %s, want %s", p.Name, got, want)
		}
	}
}
