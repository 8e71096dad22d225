package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
)

// apkExtractor reads apk's database: records of lines with one letter, a colon and a value, parted by empty lines
// (https://wiki.alpinelinux.org/wiki/Apk_spec). The files of a package are in it too: F: a directory, R: a file of it. A record with
// no name or version is an error, since a part of the packages is never given for the whole.
type apkExtractor struct{}

func (apkExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	db := apkRecords{lines: newLineReader(c.r, c.size)}
	if err := db.read(ctx); err != nil {
		return contents{}, err
	}
	return contents{Packages: db.out.found, Owned: newPathSet(db.owned)}, nil
}

// apkRecords reads a database and collects the files that its packages own.
type apkRecords struct {
	lines *lineReader
	out   installedList
	owned []uint64

	fields int
	record found
	dir    string
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
			err = cmp.Or(context.Cause(ctx), r.end())
		}
		if err != nil {
			return err
		}
	}
	if !r.lines.ended {
		return fmt.Errorf("it is cut short in line %d", r.lines.number)
	}
	return r.end()
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
		r.field(line[0], string(value))
	}
	if r.out.listed+8*len(r.owned) > maxResult {
		return tooLargeResult()
	}
	return nil
}

// field takes a field of the package.
func (r *apkRecords) field(letter byte, value string) {
	switch letter {
	case 'P':
		r.record.Name = value
	case 'V':
		r.record.Version = value
	case 'A':
		r.record.Arch = value
	case 'o':
		r.record.Source = value
	}
}

// end closes a record.
func (r *apkRecords) end() error {
	if r.fields == 0 {
		return nil
	}
	f := r.record
	r.fields, r.record, r.dir = 0, found{}, ""
	if f.Name == "" || f.Version == "" {
		return fmt.Errorf("the record before line %d has no name or no version", r.lines.number+1)
	}
	sourceOf(&f)
	return r.out.add(f)
}
