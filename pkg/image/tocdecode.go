package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// tocFile is one entry of a layer as its table of contents has it.
type tocFile struct {
	kind       byte // of tar
	name, link string
	mode, size int64
	chunks     []tocChunk // of a regular file that is not empty, without gaps and in their order
}

// tocChunk is a part of a file that can be had alone.
type tocChunk struct {
	offset int64  // in the layer, of the compressed member that has it
	inner  int64  // bytes of that member, uncompressed, before it
	size   int64  // uncompressed
	end    int64  // in the layer, of the member or of what follows it
	digest string // sha256:…
}

// tocEntry is an entry in JSON. Names that neither format has are passed over, as are owners and times.
type tocEntry struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	LinkName    string `json:"linkName"`
	Mode        int64  `json:"mode"`
	Size        int64  `json:"size"`
	Digest      string `json:"digest"` // of the whole file
	Offset      int64  `json:"offset"`
	EndOffset   int64  `json:"endOffset"` // zstd:chunked alone: of the whole file
	InnerOffset int64  `json:"innerOffset"`
	ChunkOffset int64  `json:"chunkOffset"`
	ChunkSize   int64  `json:"chunkSize"` // 0: to the file's end
	ChunkDigest string `json:"chunkDigest"`
}

// tocTable makes a list of files from entries as they come.
type tocTable struct {
	files     []tocFile
	entries   int
	data      int64 // where the layer's files end
	lastAt    int64 // offset of the chunk before
	lastInner int64
	covered   int64 // bytes of the file that its chunks so far have
	whole     string
	endOffset int64
}

// decodeTOC reads a table of contents of a layer whose files end at data. It takes one that is sound alone: every file's
// chunks have all of the file once, in order, one after the other in the layer. The reader bounds the bytes.
func decodeTOC(r io.Reader, data int64) ([]tocFile, error) {
	decoder := json.NewDecoder(r)
	t := &tocTable{data: data}
	if err := t.object(decoder); err != nil {
		return nil, fmt.Errorf("table of contents: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("table of contents: something follows it")
	}
	t.ends()
	return t.files, nil
}

func (t *tocTable) object(decoder *json.Decoder) error {
	if err := delimiter(decoder, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err //nolint:wrapcheck // the caller does
		}
		key, _ := token.(string)
		key = strings.ToLower(key) // runtimes read the names of both without regard to case
		if (key == "version" || key == "entries") && seen[key] {
			return fmt.Errorf("it has two of %s", key)
		}
		seen[key] = true
		switch key {
		case "version":
			var version int
			if err = decoder.Decode(&version); err == nil && version != 1 {
				err = fmt.Errorf("it is of version %d, not 1", version)
			}
		case "entries":
			err = t.list(decoder)
		default:
			var other json.RawMessage
			err = decoder.Decode(&other)
		}
		if err != nil {
			return err
		}
	}
	if !seen["version"] || !seen["entries"] {
		return errors.New("it has no version or no entries")
	}
	return delimiter(decoder, '}')
}

func (t *tocTable) list(decoder *json.Decoder) error {
	if err := delimiter(decoder, '['); err != nil {
		return err
	}
	for decoder.More() {
		if t.entries++; t.entries > maxTOCEntries {
			return fmt.Errorf("it has more than %d entries", maxTOCEntries)
		}
		var e tocEntry
		if err := decoder.Decode(&e); err != nil {
			return err //nolint:wrapcheck // the caller does
		}
		if err := t.add(&e); err != nil {
			return fmt.Errorf("entry %d: %w", t.entries, err)
		}
	}
	if err := t.complete(); err != nil {
		return err
	}
	return delimiter(decoder, ']')
}

func delimiter(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("it has %v where %v should be", token, want)
	}
	return err //nolint:wrapcheck // the caller does
}

// add takes the next entry.
func (t *tocTable) add(e *tocEntry) error {
	if min(e.Size, e.Offset, e.EndOffset, e.InnerOffset, e.ChunkOffset, e.ChunkSize, e.Mode) < 0 {
		return errors.New("it has a number below zero")
	}
	if e.Type == "chunk" {
		if len(t.files) == 0 || t.files[len(t.files)-1].name != e.Name {
			return errors.New("it is a chunk of no file before it")
		}
		return t.chunk(e)
	}
	if err := t.complete(); err != nil {
		return err
	}
	kind, ok := tocKind(e.Type)
	if !ok || e.Name == "" || kind != tar.TypeReg && e.Size != 0 {
		return fmt.Errorf("it is of the type %.20q", e.Type)
	}
	t.files = append(t.files, tocFile{kind: kind, name: e.Name, link: e.LinkName, mode: e.Mode, size: e.Size})
	t.covered, t.whole, t.endOffset = 0, e.Digest, e.EndOffset
	if e.Size == 0 {
		return nil
	}
	return t.chunk(e)
}

// chunk takes the next part of the last file.
func (t *tocTable) chunk(e *tocEntry) error {
	f := &t.files[len(t.files)-1]
	size, digest := e.ChunkSize, e.ChunkDigest
	left := f.size - t.covered
	if size == 0 {
		size = left
	}
	if digest == "" && size == f.size { // the only one
		digest = t.whole
	}
	if err := t.sound(e, size, left, digest); err != nil {
		return err
	}
	t.lastAt, t.lastInner = e.Offset, e.InnerOffset+size
	t.covered += size
	f.chunks = append(f.chunks, tocChunk{offset: e.Offset, inner: e.InnerOffset, size: size, digest: digest})
	if t.covered == f.size && t.endOffset > e.Offset && t.endOffset <= t.data {
		f.chunks[len(f.chunks)-1].end = t.endOffset
	}
	return nil
}

// sound tells what is wrong with the next part of the last file, of which left bytes are missing.
func (t *tocTable) sound(e *tocEntry, size, left int64, digest string) error {
	switch {
	case e.ChunkOffset != t.covered || size <= 0 || size > left:
		return errors.New("its chunks do not follow each other or have more than the file")
	case size > maxTOCChunk || e.InnerOffset > maxTOCChunk:
		return fmt.Errorf("a chunk is larger than %d bytes", maxTOCChunk)
	case !isSHA256(digest):
		return errors.New("a chunk has no digest of sha256")
	case e.Offset <= 0 || e.Offset >= t.data || e.Offset < t.lastAt || e.Offset == t.lastAt && e.InnerOffset < t.lastInner:
		return errors.New("a chunk overlaps one before it or lies outside of the layer's files")
	}
	return nil
}

// complete checks that the last file has all of its chunks.
func (t *tocTable) complete() error {
	if len(t.files) > 0 && t.covered != t.files[len(t.files)-1].size {
		return fmt.Errorf("file %.100q has chunks for %d of its %d bytes", t.files[len(t.files)-1].name, t.covered, t.files[len(t.files)-1].size)
	}
	return nil
}

// ends fills in where chunks end: where the next member begins, unless an entry says so before.
func (t *tocTable) ends() {
	next, at := t.data, t.data
	for i := range slices.Backward(t.files) {
		for j := range slices.Backward(t.files[i].chunks) {
			c := &t.files[i].chunks[j]
			if c.offset < at {
				next, at = at, c.offset
			}
			if c.end == 0 || c.end > next {
				c.end = next
			}
		}
	}
}

func tocKind(word string) (byte, bool) {
	switch word {
	case "reg":
		return tar.TypeReg, true
	case "dir":
		return tar.TypeDir, true
	case "hardlink":
		return tar.TypeLink, true
	case "symlink":
		return tar.TypeSymlink, true
	case "char":
		return tar.TypeChar, true
	case "block":
		return tar.TypeBlock, true
	case "fifo":
		return tar.TypeFifo, true
	}
	return 0, false
}
