package inventory

import (
	"encoding/json"
	"fmt"
	"strings"
)

// layerFormat is the version of a stored Layer. It goes up with every change of what ScanLayer finds or how it is written, so
// that results of an older version are not taken for those of this one.
const layerFormat = 10

// Layer is what one layer contributes to the images that have it. It depends on the layer's bytes alone, can be stored as
// JSON under the layer's digest, and is never changed after ScanLayer has returned it. A layer of 100,000 files takes about
// half a megabyte. The zero value is a layer that contributes nothing.
type Layer struct {
	files    []file            // what was recognised, sorted by path
	links    map[string]string // symbolic links that may lead to a recognised file: path to target as written
	replaced pathSet           // paths that are not directories here, and whiteouts: each hides what lower layers have at it and below it
	dirs     pathSet           // directories: each hides a lower layer's file or link at its path
	opaque   pathSet           // directories of which lower layers' contents are hidden
	others   pathSet           // symbolic links that are not in links
	warnings []string          // about the layer as a whole
}

// file is a recognised file of a layer.
type file struct {
	Path string `json:"path"`
	contents
}

// contents is what was found in one file. Hard links share it during a scan.
type contents struct {
	Kind     fileKind `json:"kind"`
	Packages []found  `json:"packages,omitempty"`
	Owned    pathSet  `json:"-"`                 // paths that the package manager says belong to its packages
	OS       *OS      `json:"os,omitempty"`      //
	Warning  string   `json:"warning,omitempty"` // what could not be read; it lapses when a later layer removes the file
	Unread   string   `json:"unread,omitempty"`  // why a language's file is not readable; it lapses in the same way
	Fault    string   `json:"fault,omitempty"`   // why a package database or os-release is not readable
	Fatal    Kind     `json:"fatal,omitempty"`   // the kind of Fault
	Packed   []byte   `json:"owned,omitempty"`   // Owned as stored
}

// found is a package as its file tells it, without what only the image tells.
type found struct {
	Name          string `json:"n"`
	Version       string `json:"v"`
	Source        string `json:"s,omitempty"`
	SourceVersion string `json:"sv,omitempty"`
	Arch          string `json:"a,omitempty"`
	Module        string `json:"m,omitempty"`
	Vendor        bool   `json:"x,omitempty"` // for dpkg: nothing says that it is Debian's or Ubuntu's own
}

// storedLayer is the JSON form of a Layer.
type storedLayer struct {
	Format   int               `json:"format"`
	Files    []file            `json:"files,omitempty"`
	Links    map[string]string `json:"links,omitempty"`
	Replaced []byte            `json:"replaced,omitempty"`
	Dirs     []byte            `json:"dirs,omitempty"`
	Opaque   []byte            `json:"opaque,omitempty"`
	Others   []byte            `json:"others,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
}

// Memory gives about how many bytes the layer takes in memory, with what Merge adds to that.
func (l *Layer) Memory() int64 {
	n := 8 * (len(l.replaced) + len(l.dirs) + len(l.opaque) + len(l.others))
	for i := range l.files {
		f := &l.files[i]
		n += 128 + len(f.Path) + 8*strings.Count(f.Path, "/") + f.size()
	}
	for p, target := range l.links {
		n += 192 + len(p) + len(target) + 8*strings.Count(p, "/")
	}
	return int64(n)
}

// MarshalJSON writes the layer in a form that UnmarshalJSON of the same version of this package reads.
func (l *Layer) MarshalJSON() ([]byte, error) {
	stored := storedLayer{
		Format: layerFormat, Links: l.links, Warnings: l.warnings,
		Replaced: l.replaced.pack(), Dirs: l.dirs.pack(), Opaque: l.opaque.pack(), Others: l.others.pack(),
		Files: make([]file, len(l.files)),
	}
	for i := range l.files {
		stored.Files[i] = l.files[i]
		stored.Files[i].Packed = l.files[i].Owned.pack()
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode layer: %w", err)
	}
	return data, nil
}

// UnmarshalJSON reads what MarshalJSON wrote. It gives ErrLayerFormat for what another version of this package wrote.
func (l *Layer) UnmarshalJSON(data []byte) error {
	var stored storedLayer
	if err := json.Unmarshal(data, &stored); err != nil {
		return fmt.Errorf("decode layer: %w", err)
	}
	if stored.Format != layerFormat {
		return fmt.Errorf("decode layer of format %d, want %d: %w", stored.Format, layerFormat, ErrLayerFormat)
	}
	read := Layer{files: stored.Files, links: stored.Links, warnings: stored.Warnings}
	for to, packed := range map[*pathSet][]byte{&read.replaced: stored.Replaced, &read.dirs: stored.Dirs, &read.opaque: stored.Opaque, &read.others: stored.Others} {
		set, err := unpackPathSet(packed)
		if err != nil {
			return fmt.Errorf("decode layer: %w", err)
		}
		*to = set
	}
	for i := range read.files {
		f := &read.files[i]
		set, err := unpackPathSet(f.Packed)
		if err != nil {
			return fmt.Errorf("decode layer: %s: %w", f.Path, err)
		}
		f.Owned, f.Packed = set, nil
	}
	*l = read
	return nil
}
