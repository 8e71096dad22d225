package inventory_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

func TestNPM(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		item    item
		want    string
		warning string
	}{
		"module":             {text("app/node_modules/left-pad/package.json", packageJSON("left-pad", "1.3.0")), "left-pad 1.3.0", ""},
		"scoped":             {text("node_modules/@babel/core/package.json", packageJSON("@babel/core", "7.0.0")), "@babel/core 7.0.0", ""},
		"byte order mark":    {text("node_modules/a/package.json", "\xef\xbb\xbf"+packageJSON("a", "1.0.0")), "a 1.0.0", ""},
		"odd dependencies":   {text("node_modules/a/package.json", `{"name":"a","version":"1.0.0","dependencies":[],"maintainers":"me","author":7}`), "a 1.0.0", ""},
		"no version":         {text("node_modules/a/esm/package.json", `{"type":"module"}`), "", ""},
		"Bower's":            {text("app/bower_components/jquery/package.json", packageJSON("jquery", "2.1.0")), "jquery 2.1.0", ""},
		"unpacked":           {text("package.json", packageJSON("left-pad", "1.3.0")), "left-pad 1.3.0", ""},
		"application":        {text("app/package.json", `{"name":"app","version":"1.0.0","private":true}`), "", ""},
		"private, as text":   {text("app/package.json", `{"private":"true","name":"app","version":"1.0.0"}`), "", ""},
		"not private":        {text("app/package.json", `{"name":"app","version":"1.0.0","private":false}`), "app 1.0.0", ""},
		"private, null":      {text("app/package.json", `{"name":"app","version":"1.0.0","private":null}`), "app 1.0.0", ""},
		"private, installed": {text("node_modules/a/package.json", `{"name":"a","version":"1.0.0","private":true}`), "a 1.0.0", ""},
		"no version, app":    {text("app/package.json", `{"name":"app","dependencies":{"left-pad":"1.3.0"}}`), "", ""},
		"workspace member":   {text("app/packages/ui/package.json", `{"name":"@acme/ui","version":"0.0.0","private":true}`), "", ""},
		"among tests":        {text("srv/x/test/fixture/package.json", packageJSON("lodash", "1.0.0")), "", ""},
		"no JSON elsewhere":  {text("a/package.json", `{"name":`), "", "a/package.json: it is not read: it is no package.json: it is cut short"},
		"template":           {text("opt/skeleton/package.json", `{"name": {{name}}}`), "", "opt/skeleton/package.json: it is not read: it is no package.json: name: invalid character '{' looking for beginning of object key string"},
		"editor extension":   {text("node_modules/a/package.json", `{"name":"a","version":"1.0.0","engines":{"vscode":"*"}}`), "", ""},
		"no JSON":            {text("node_modules/a/package.json", `{"name":`), "", "unread node_modules/a/package.json: it is not read: it is no package.json: it is cut short"},
		"no JSON, scoped":    {text("x/node_modules/@a/b/package.json", `{"name":"b",]`), "", "unread x/node_modules/@a/b/package.json: it is not read: it is no package.json: invalid character ']' looking for beginning of object key string"},
		"no JSON in a test":  {text("node_modules/resolve/test/resolver/malformed_package_json/package.json", "{\n"), "", "node_modules/resolve/test/resolver/malformed_package_json/package.json: it is not read: it is no package.json: it is cut short"},
		"no JSON in a cache": {text("node_modules/.cache/package.json", ""), "", "node_modules/.cache/package.json: it is not read: it is no package.json: it is cut short"},
		"no JSON object":     {text("node_modules/a/package.json", `[]`), "", "unread node_modules/a/package.json: it is not read: it is no package.json: it is not a JSON object"},
		"two objects":        {text("node_modules/a/package.json", `{}{}`), "", "unread node_modules/a/package.json: it is not read: it is no package.json: something follows the JSON object"},
		"deep":               {text("node_modules/a/package.json", `{"x":`+strings.Repeat("[", 20_000)), "", "unread node_modules/a/package.json: it is not read: it is no package.json: more than 10000 lists and objects are within each other"},
		"empty object":       {text("node_modules/a/package.json", `{}`), "", ""},
		"name alone":         {text("node_modules/a/package.json", `{"name":"a"}`), "", ""},
		"no version at all":  {text("node_modules/a/package.json", `{"name":"a","version":null}`), "", ""},
		"twice":              {text("node_modules/a/package.json", `{"name":"x","version":"1.0.0","Name":"y","name":"a"}`), "a 1.0.0", ""},
		"padded":             {text("node_modules/a/package.json", `{"x":"`+strings.Repeat("y", 2<<20)+`","x2":[{"z":[]}],"name":"a","version":"1.0.0"}`), "a 1.0.0", ""},
		"odd other fields":   {text("node_modules/a/package.json", `{"name":"a","version":"1.0.0","engines":["node"],"unity":{},"contributes":[]}`), "a 1.0.0", ""},
		"version is a list":  {text("node_modules/a/package.json", `{"name":"a","version":[]}`), "", "node_modules/a/package.json: it is no module's: its name or its version is not a text"},
		"too large":          {text("node_modules/a/package.json", strings.Repeat(" ", 16<<20+1)), "", "unread node_modules/a/package.json: it is not read: it is larger than 16777216 bytes"},
		"link, hard":         {hardlink("node_modules/a/package.json", "gone"), "", "unread node_modules/a/package.json: it is a hard link to gone, which the layer does not have as a file"},
		"name not in UTF-8":  {text("node_modules/a\xff/package.json", packageJSON("a", "1.0.0")), "a 1.0.0", ""},
		"below another name": {text("my_node_modules/a/package.json", `{"name":"a","version":"1.0.0","private":true}`), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLanguage(t, tt.item, "npm", tt.want, tt.warning)
		})
	}
}

const wheelMetadata = "Metadata-Version: 2.1\nName: Django\nVersion: 3.2.1\nSummary: A framework\nRequires-Dist: asgiref\n\nName: not this\n"

func TestPython(t *testing.T) {
	t.Parallel()
	const site = "usr/local/lib/python3.11/site-packages/"
	noise := make([]byte, 9<<20) // does not compress
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	large := zipText(t, "a.py", string(noise), "Django-3.2.1.dist-info/METADATA", wheelMetadata)
	early := zipText(t, "EGG-INFO/PKG-INFO", wheelMetadata, "a.py", string(noise))
	half := string(noise[:9<<19])
	middle := zipText(t, "a.py", half, "EGG-INFO/PKG-INFO", wheelMetadata, "b.py", half)
	for name, tt := range map[string]struct {
		item    item
		want    string
		warning string
	}{
		"wheel":             {text(site+"Django-3.2.1.dist-info/METADATA", wheelMetadata), "Django 3.2.1", ""},
		"egg directory":     {text(site+"Django-3.2.1-py3.egg/EGG-INFO/PKG-INFO", wheelMetadata), "Django 3.2.1", ""},
		"egg-info":          {text(site+"Django.egg-info/PKG-INFO", wheelMetadata), "Django 3.2.1", ""},
		"egg-info file":     {text(site+"Django-3.2.1.egg-info", wheelMetadata), "Django 3.2.1", ""},
		"long description":  {text(site+"Django-3.2.1.dist-info/METADATA", wheelMetadata+strings.Repeat("x", 3<<20)), "Django 3.2.1", ""},
		"wheel archive":     {text("wheels/Django.whl", zipText(t, "django/a.py", "x", "Django-3.2.1.dist-info/METADATA", wheelMetadata)), "Django 3.2.1", ""},
		"egg archive":       {text(site+"Django.egg", zipText(t, "EGG-INFO/PKG-INFO", wheelMetadata, "EGG-INFO/top_level.txt", "x")), "Django 3.2.1", ""},
		"large archive":     {text("wheels/Django.whl", large), "Django 3.2.1", ""},
		"metadata early":    {text("Django.egg", early), "Django 3.2.1", ""},
		"metadata amidst":   {text(site+"Django.egg", middle), "", "unread " + site + "Django.egg: it is not read: EGG-INFO/PKG-INFO in it: open: only the first and the last 4194304 bytes are looked at"},
		"archive elsewhere": {text("Django.egg", middle), "", "Django.egg: it is not read: EGG-INFO/PKG-INFO in it: open: only the first and the last 4194304 bytes are looked at"},
		"long header":       {text(site+"Django-3.2.1.dist-info/METADATA", "License: "+strings.Repeat("x", 100_000)+"\n more\n"+wheelMetadata), "Django 3.2.1", ""},
		"no archive there":  {text("usr/lib/python3/dist-packages/a.whl", "junk"), "", "unread usr/lib/python3/dist-packages/a.whl: it is not read: it is no zip archive: zip: not a valid zip file"},
		"no version":        {text(site+"x.dist-info/METADATA", "Name: x\n"), "", "unread " + site + `x.dist-info/METADATA: it is not read: its name or its version is missing: name "x", version ""`},
		"no archive":        {text("a.whl", "junk"), "", "a.whl: it is not read: it is no zip archive: zip: not a valid zip file"},
		"empty archive":     {text("a.egg", zipText(t, "x", "y")), "", "a.egg: it is not read: it has no metadata of a Python distribution"},
		"METADATA of else":  {text("srv/METADATA", wheelMetadata), "", ""},
		"egg is directory":  {dir(site + "x.egg"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLanguage(t, tt.item, "pypi", tt.want, tt.warning)
		})
	}
}

// wantLanguage asserts the one package, or none, and the one warning, or none, that a file gives.
func wantLanguage(t *testing.T, it item, kind, want, warning string) {
	t.Helper()
	inv := mustMerge(t, scanItems(t, text("etc/os-release", alpine319), text("lib/apk/db/installed", ""), it))
	if got := names(inv); got != want {
		t.Errorf("packages are %q, want %q", got, want)
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		if p.Type != kind || !strings.EqualFold(p.Ecosystem, kind) {
			t.Errorf("package is %+v", *p)
		}
	}
	if got := told(inv); got != warning {
		t.Errorf("warnings are %q, want %q", got, warning)
	}
}

// told gives what an inventory says beside its packages: what is unread, each after that word, and the warnings.
func told(inv *inventory.Inventory) string {
	var out []string
	for _, text := range inv.Unread {
		out = append(out, "unread "+text)
	}
	return strings.Join(append(out, inv.Warnings...), "|")
}

const dpkgDjango = `Package: python3-django
Status: install ok installed
Maintainer: Debian Python Team <team+python@tracker.debian.org>
Architecture: all
Version: 3:3.2.1-1

`

// apkApp is a layer in which apk ran, with a package that has usr/bin/app.
func apkApp(more string, items ...item) []item {
	return append(items, text("etc/os-release", alpine319), text("lib/apk/db/installed", "P:app\nV:1"+more+"\nF:usr/bin\nR:app\n\n"))
}

// TestOwned drops the language packages that a distribution's package brought, and only them.
func TestOwned(t *testing.T) {
	t.Parallel()
	program := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + inline("go1.22.3", "")
	modular := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + inline("go1.22.3", framed("path\texample.com/app", "mod\texample.com/app\t(devel)\t", "dep\texample.com/dep\tv1.2.3\th1:x="))
	debian := func(list string, more ...item) []item {
		return append(append(debianBase(dpkgBash+dpkgDjango), text("var/lib/dpkg/info/python3-django.list", list)), more...)
	}
	const django = "usr/lib/python3/dist-packages/Django-3.2.1.dist-info/METADATA"
	for name, tt := range map[string]struct {
		layers [][]item
		owned  int
		want   string
	}{
		"owned":                        {[][]item{debian("/.\n/usr\n/usr/lib\n/"+django+"\n", text(django, wheelMetadata))}, 1, ""},
		"not owned":                    {[][]item{debian("/.\n/usr/lib/x\n", text(django, wheelMetadata))}, 0, "Django 3.2.1"},
		"file of a later layer":        {[][]item{debian("/" + django + "\n"), {text(django, wheelMetadata)}}, 0, "Django 3.2.1"},
		"file of an earlier layer":     {[][]item{{text(django, wheelMetadata)}, debian("/" + django + "\n")}, 1, ""},
		"list named by architecture":   {[][]item{{text(django, wheelMetadata)}, append(debianBase(dpkgDjango), text("var/lib/dpkg/info/python3-django:amd64.list", "/"+django+"\n"))}, 1, ""},
		"a vendor's package":           {[][]item{{text(django, wheelMetadata)}, append(debianBase(strings.Replace(dpkgDjango, "tracker.debian.org", "vendor.example", 1)), text("var/lib/dpkg/info/python3-django.list", "/"+django+"\n"))}, 0, "Django 3.2.1"},
		"a package that is not listed": {[][]item{{text(django, wheelMetadata)}, append(debianBase(dpkgBash), text("var/lib/dpkg/info/python3-django.list", "/"+django+"\n"))}, 0, "Django 3.2.1"},
		"a package of a derivative":    {[][]item{{text(django, wheelMetadata)}, append(debianBase(installed("python3-django", "1")), text("usr/lib/os-release", "ID=kali\n"), text("var/lib/dpkg/info/python3-django.list", "/"+django+"\n"))}, 1, ""},
		"apk, upgraded later":          {[][]item{apkApp(""), apkApp("2", text("usr/bin/app", program)), apkApp("3")}, 1, ""},
		"apk, replaced before apk add": {[][]item{apkApp("", text("usr/bin/app", program)), {text("usr/bin/app", program)}, apkApp("2")}, 0, "stdlib 1.22.3"},
		"apk, package over file":       {[][]item{{text("usr/bin/app", program)}, apkApp("")}, 1, ""},
		"apk, package came again":      {[][]item{apkApp(""), {text("lib/apk/db/installed", ""), text("usr/bin/app", program)}, apkApp("")}, 1, ""},
		"apk, file of a later layer": {[][]item{{
			text("etc/os-release", alpine319), text("lib/apk/db/installed", "P:app\nV:1\nF:usr/bin\nR:app\n\n"),
		}, {text("usr/bin/app", program)}}, 0, "stdlib 1.22.3"},
		"package removed":              {[][]item{debian("/"+django+"\n", text(django, wheelMetadata)), {whiteoutOf("var/lib/dpkg/info", "python3-django.list")}}, 0, "Django 3.2.1"},
		"list replaced":                {[][]item{debian("/"+django+"\n", text(django, wheelMetadata)), {text("var/lib/dpkg/info/python3-django.list", "/usr/lib/x.py\n")}}, 0, "Django 3.2.1"},
		"program, before usr-merge":    {[][]item{debian("/bin/app\n", text("usr/bin/app", program))}, 1, ""},
		"program, after usr-merge":     {[][]item{debian("/usr/sbin/app\n", text("sbin/app", program))}, 1, ""},
		"program in another directory": {[][]item{debian("/bin/app\n", text("usr/local/bin/app", program))}, 0, "stdlib 1.22.3"},
		"program with modules":         {[][]item{debian("/usr/bin/app\n", text("usr/bin/app", modular))}, 0, "example.com/dep 1.2.3, stdlib 1.22.3"},
		"vendor's place":               {[][]item{debian("/opt/agent/lib/x.dist-info/METADATA\n", text("opt/agent/lib/x.dist-info/METADATA", wheelMetadata))}, 0, "Django 3.2.1"},
		"a list of another place":      {[][]item{debian("", text("srv/dpkg/info/x.list", "/"+django+"\n"), text(django, wheelMetadata))}, 0, "Django 3.2.1"},
		"apk": {[][]item{{
			text("etc/os-release", alpine319), text("usr/bin/app", program), text("bin/busybox2", program),
			text("lib/apk/db/installed", "P:app\nV:1\nF:usr/bin\nR:app\nM:0:0:755\nF:usr\nF:\nR:x\n\n"),
		}}, 1, "stdlib 1.22.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var layers []*inventory.Layer
			for _, items := range tt.layers {
				layers = append(layers, scanItems(t, items...))
			}
			inv := mustMerge(t, layers...)
			var language []string
			for i := range inv.Packages {
				p := &inv.Packages[i]
				if p.Type != "deb" && p.Type != "apk" {
					language = append(language, p.Name+" "+p.Version)
				}
			}
			if got := strings.Join(language, ", "); got != tt.want || inv.Owned != tt.owned {
				t.Errorf("packages are %q, %d owned; want %q, %d", got, inv.Owned, tt.want, tt.owned)
			}
		})
	}
}

func TestAPK(t *testing.T) {
	t.Parallel()
	long := "P:a\nV:1-r0\nD:" + strings.Repeat("so:x ", 40_000) + "\no:b\n\n"
	inv := mustMerge(t, scanItems(t, text("etc/os-release", alpine319), text("lib/apk/db/installed", apkMusl+apkSSL+long)))
	wantNames(t, inv, "a 1-r0", "libssl3 3.1.4-r5", "musl 1.2.4_git20230717-r4")
	want := inventory.Package{
		Type: "apk", Ecosystem: "Alpine:v3.19", Name: "libssl3", Version: "3.1.4-r5", Source: "openssl", Arch: "x86_64",
		Path: "lib/apk/db/installed", Layer: "layer0",
	}
	if inv.Packages[1] != want {
		t.Errorf("package is %+v, want %+v", inv.Packages[1], want)
	}
	if inv.Packages[2].Source != "" {
		t.Errorf("musl has source %q", inv.Packages[2].Source)
	}
}
