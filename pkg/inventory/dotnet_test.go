package inventory_test

import "testing"

const depsJSON = `{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v6.0/linux-x64", "signature": ""},
  "targets": {".NETCoreApp,Version=v6.0/linux-x64": {"app/1.0.0": {"dependencies": {"Newtonsoft.Json": "12.0.3"}}}},
  "libraries": {
    "app/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.5": {"type": "runtimepack", "serviceable": false, "sha512": ""},
    "Newtonsoft.Json/12.0.3": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "newtonsoft.json/12.0.3"},
    "Own/1.0.0.0": {"type": "reference"}
  }
}`

func TestDotnet(t *testing.T) {
	t.Parallel()
	const at = "app/app.deps.json"
	unread := func(why string) string { return "unread " + at + ": it is not read: it is no deps.json: " + why }
	for name, tt := range map[string]struct {
		item          item
		want, warning string
	}{
		"program":          {text(at, depsJSON), "Microsoft.NETCore.App.Runtime.linux-x64 6.0.5, Newtonsoft.Json 12.0.3", ""},
		"byte order mark":  {text(at, "\xef\xbb\xbf"+depsJSON), "Microsoft.NETCore.App.Runtime.linux-x64 6.0.5, Newtonsoft.Json 12.0.3", ""},
		"another tool's":   {text("roots/editor.deps.json", `{"editor.js": {"dependencies": ["wp"], "version": "1"}}`), "", ""},
		"a list":           {text("x.deps.json", `["a"]`), "", ""},
		"lock file":        {text("obj/project.assets.json", depsJSON), "", ""},
		"no libraries":     {text(at, `{"libraries": {}}`), "", ""},
		"cut short":        {text(at, depsJSON[:400]), "", unread("it is cut short")},
		"empty":            {text(at, ""), "", unread("it is cut short")},
		"no version":       {text(at, `{"libraries": {"a": {"type": "package"}}}`), "", unread("a library has no name with a version")},
		"a text":           {text(at, `{"libraries": {"a/1": "package"}}`), "", unread("a library is no object")},
		"libraries a list": {text(at, `{"libraries": ["a/1"]}`), "", unread("its libraries are no object")},
		"odd type":         {text(at, `{"libraries": {"a/1": {"type": 1}}}`), "", unread("a library's type is no text")},
		"more behind":      {text(at, depsJSON+"{}"), "", unread("something follows the JSON value")},
		"damaged test":     {text("x/testdata/a.deps.json", `{`), "", "x/testdata/a.deps.json: it is not read: it is no deps.json: it is cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantPackages(t, tt.item, "nuget NuGet", tt.want, tt.warning)
		})
	}
}

// FuzzDotnet feeds arbitrary deps.json files.
func FuzzDotnet(f *testing.F) {
	f.Add(depsJSON)
	f.Fuzz(func(t *testing.T, deps string) { fuzzFile(t, "app.deps.json", deps, len(deps)/8) })
}
