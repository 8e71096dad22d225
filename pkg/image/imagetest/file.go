package imagetest

import (
	"archive/tar"
	"path"
)

// File is one entry of a layer. The zero values of all fields but Path make an empty regular file.
type File struct {
	Path string // without a leading slash
	Body []byte // content of a regular file
	Mode int64  // permission bits; 0: 0644 for files, 0755 for directories
	Link string // target of a symbolic or hard link
	Type byte   // tar type flag (tar.TypeReg, tar.TypeDir, tar.TypeSymlink, …); 0: a regular file
}

// Text is a regular file with a text in it.
func Text(name, body string) File { return File{Path: name, Body: []byte(body)} }

// Executable is a regular file with mode 0755.
func Executable(name string, body []byte) File { return File{Path: name, Body: body, Mode: 0o755} }

// Dir is a directory.
func Dir(name string) File { return File{Path: name, Type: tar.TypeDir} }

// Symlink is a symbolic link to a target, relative to the link's directory or absolute within the image.
func Symlink(name, target string) File {
	return File{Path: name, Link: target, Type: tar.TypeSymlink}
}

// Hardlink is a hard link to another file of the image.
func Hardlink(name, target string) File {
	return File{Path: name, Link: target, Type: tar.TypeLink}
}

// Delete is the whiteout that hides a file or directory of the layers below
// (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
func Delete(name string) File {
	dir, base := path.Split(name)
	return File{Path: dir + ".wh." + base}
}

// Opaque is the whiteout that hides all that the layers below have in a directory.
func Opaque(dir string) File { return File{Path: path.Join(dir, ".wh..wh..opq")} }

func (f File) header() *tar.Header {
	h := &tar.Header{Name: f.Path, Mode: f.Mode, Linkname: f.Link, Typeflag: f.Type, Format: tar.FormatPAX}
	switch h.Typeflag {
	case 0, tar.TypeReg:
		h.Typeflag, h.Size = tar.TypeReg, int64(len(f.Body))
	case tar.TypeDir:
		h.Name = path.Clean(h.Name) + "/"
	default:
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	return h
}
