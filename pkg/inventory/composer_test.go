package inventory_test

import (
	"strings"
	"testing"
)

const monolog = `{"name": "monolog/monolog", "version": "2.8.0", "version_normalized": "2.8.0.0", "require": {"php": ">=7.2"}, "extra": [{"name": "no"}]}`

func TestComposer(t *testing.T) {
	t.Parallel()
	const at = "app/vendor/composer/installed.json"
	unread := func(why string) string { return "unread " + at + ": it is not read: it is no installed.json: " + why }
	for name, tt := range map[string]struct {
		item          item
		want, warning string
	}{
		"version 2":        {text(at, `{"packages": [`+monolog+`, {"name": "Symfony/HTTP-Kernel", "version": "v4.4.1"}], "dev": true, "dev-package-names": []}`), "monolog/monolog 2.8.0, symfony/http-kernel 4.4.1", ""},
		"version 1":        {text(at, `[`+monolog+`]`), "monolog/monolog 2.8.0", ""},
		"branch":           {text(at, `[{"name": "a/b", "version": "dev-main"}, {"name": "a/c", "version": "vendor-branch"}]`), "a/b dev-main, a/c vendor-branch", ""},
		"nothing":          {text(at, `{"packages": [], "dev": true}`), "", ""},
		"elsewhere":        {text("app/composer/installed.json", `[`+monolog+`]`), "", ""},
		"no list":          {text(at, `{"packages": {}}`), "", unread("its packages are no list")},
		"no packages":      {text(at, `{}`), "", unread("it lists no packages")},
		"twice":            {text(at, `{"packages": [], "packages": []}`), "", unread("it lists its packages twice")},
		"a text":           {text(at, `"packages"`), "", unread("it is neither a list nor an object")},
		"cut short":        {text(at, `{"packages": [{"name": "a/b", "version": "1.0"`), "", unread("it is cut short")},
		"empty":            {text(at, ""), "", unread("it is cut short")},
		"more behind":      {text(at, `[][]`), "", unread("something follows the JSON value")},
		"no version":       {text(at, `[{"name": "a/b"}]`), "", unread("a package has no name or no version")},
		"version a number": {text(at, `[{"name": "a/b", "version": 1}]`), "", unread("a package's version is no text of up to 4096 bytes")},
		"package a text":   {text(at, `["a/b"]`), "", unread("a package is no object")},
		"deep":             {text(at, `{"x":`+strings.Repeat("[", 20_000)), "", unread("more than 10000 lists and objects are within each other")},
		"too large":        {text(at, strings.Repeat(" ", 16<<20+1)), "", "unread " + at + ": it is not read: it is larger than 16777216 bytes"},
		"damage in a test": {text("x/tests/vendor/composer/installed.json", `[1]`), "", "x/tests/vendor/composer/installed.json: it is not read: it is no installed.json: a package is no object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantPackages(t, tt.item, "composer Packagist", tt.want, tt.warning)
		})
	}
}

// FuzzComposer feeds arbitrary lists of what is installed.
func FuzzComposer(f *testing.F) {
	f.Add(`{"packages": [` + monolog + `], "dev": true}`)
	f.Add(`[{"name": "a/b", "version": "v1"}]`)
	f.Fuzz(func(t *testing.T, list string) { fuzzFile(t, "vendor/composer/installed.json", list, len(list)/8) })
}
