package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

// assets are the files that pages load, by name, with a fingerprint of each.
type assets map[string]string

func readAssets() assets {
	list := assets{}
	names, err := fs.Glob(files, "static/*")
	for _, name := range names {
		var content []byte
		if content, err = files.ReadFile(name); err != nil {
			break
		}
		sum := sha256.Sum256(content)
		list[path.Base(name)] = hex.EncodeToString(sum[:6])
	}
	if err != nil {
		panic("the files that the program embeds cannot be read: " + err.Error())
	}
	return list
}

// address of a file: another one whenever the file is another, so that browsers may keep it.
func (a assets) address(name string) string { return "/static/" + name + "?v=" + a[name] }

// serve answers with a file.
func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	version, ok := a[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, files, "static/"+name) //nolint:gosec // a name of the list
}
