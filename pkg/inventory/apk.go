package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
)

// apkExtractor reads apk's database: records of lines with one letter, a colon and a value, parted by empty lines
// (https://wiki.alpinelinux.org/wiki/Apk_spec). The files of a package are in it too: F: a directory, R: a file of it.
//
// The library's extractor leaves out records with no name or version, without an error, and refuses lines of 64 KiB. So the
// text is checked first and only the lines that matter are handed on.
type apkExtractor struct{ library }

func newAPK() (apkExtractor, error) {
	e, err := apk.New(&cpb.PluginConfig{MaxFileSizeBytes: maxResult})
	if err != nil {
		return apkExtractor{}, fmt.Errorf("apk: %w", err)
	}
	return apkExtractor{library{e}}, nil
}

func (a apkExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	db := apkRecords{lines: newLineReader(c.r, c.size), out: pieces{run: a.packages}}
	if err := db.read(ctx); err != nil {
		return contents{}, err
	}
	return contents{Packages: db.out.found, Owned: newPathSet(db.owned)}, nil
}

// packages reads a piece of a checked database.
func (a apkExtractor) packages(ctx context.Context, text string) ([]found, error) {
	pkgs, err := a.run(ctx, apkInstalled, text)
	if err != nil {
		return nil, err
	}
	out := make([]found, 0, len(pkgs))
	for _, p := range pkgs {
		meta, ok := p.Metadata.(*apkmeta.Metadata)
		if !ok {
			return nil, fmt.Errorf("package %s comes without its metadata", p.Name)
		}
		f := found{Name: p.Name, Version: p.Version, Source: meta.OriginName, Arch: meta.Architecture}
		sourceOf(&f)
		out = append(out, f)
	}
	return out, nil
}

// apkRecords checks a database, hands on a reduced one and collects the files that its packages own.
type apkRecords struct {
	lines *lineReader
	out   pieces
	owned []uint64

	fields        int
	name, version bool
	dir           string
}

func (r *apkRecords) read(ctx context.Context) error {
	for {
		line, err := r.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(line) > 0 {
			err = r.add(line)
		} else {
			err = r.end(ctx)
		}
		if err != nil {
			return err
		}
	}
	if !r.lines.ended {
		return fmt.Errorf("it is cut short in line %d", r.lines.number)
	}
	if err := r.end(ctx); err != nil {
		return err
	}
	return r.out.flush(ctx)
}

// add takes one line of a record.
func (r *apkRecords) add(line []byte) error {
	if len(line) < 2 || line[1] != ':' {
		return fmt.Errorf("line %d is no field: %.40q", r.lines.number, line)
	}
	r.fields++
	value := line[2:]
	switch line[0] {
	case 'F':
		r.dir = cleanPath(string(value))
	case 'R':
		if p := cleanPath(r.dir + "/" + string(value)); mayOwn(p) {
			r.owned = append(r.owned, hashPath(p))
		}
	case 'P', 'V', 'A', 'o':
		if r.lines.cut {
			return fmt.Errorf("line %d is longer than %d bytes", r.lines.number, maxLine)
		}
		r.name = r.name || line[0] == 'P' && len(value) > 0
		r.version = r.version || line[0] == 'V' && len(value) > 0
		r.out.text.Write(line)
		r.out.text.WriteByte('\n')
	}
	if r.out.text.Len()+8*len(r.owned) > maxResult {
		return tooLargeResult()
	}
	return nil
}

// end closes a record.
func (r *apkRecords) end(ctx context.Context) error {
	if r.fields > 0 {
		if !r.name || !r.version {
			return fmt.Errorf("the record before line %d has no name or no version", r.lines.number+1)
		}
		r.out.text.WriteByte('\n')
		if err := r.out.end(ctx); err != nil {
			return err
		}
	}
	r.fields, r.name, r.version, r.dir = 0, false, false, ""
	return nil
}
