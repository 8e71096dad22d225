package store

import (
	"bytes"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// dialect is a database's name as goose knows it.
type dialect = goose.Dialect

const (
	dialectSQLite   = goose.DialectSQLite3
	dialectPostgres = goose.DialectPostgres
)

// only matches what one database alone is given: /*sqlite WITHOUT ROWID*/.
var only = regexp.MustCompile(`(?s)/\*(sqlite|postgres) (.*?)\*/`)

// forDialect gives the part of a statement's text that is for a database.
func forDialect(d dialect, statement string) string {
	if !strings.Contains(statement, "/*") {
		return statement
	}
	return only.ReplaceAllStringFunc(statement, func(part string) string {
		match := only.FindStringSubmatch(part)
		if (match[1] == "postgres") != (d == dialectPostgres) {
			return ""
		}
		return match[2]
	})
}

// dialectFS gives migrations as a database is to read them.
type dialectFS struct {
	fs.ReadDirFS

	dialect dialect
}

// Open implements fs.FS.
func (f dialectFS) Open(name string) (fs.File, error) {
	file, err := f.ReadDirFS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	text := forDialect(f.dialect, string(content))
	return &textFile{Reader: bytes.NewReader([]byte(text)), name: name}, nil
}

// textFile is a file in memory.
type textFile struct {
	*bytes.Reader

	name string
}

func (f *textFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *textFile) Close() error               { return nil }
func (f *textFile) Name() string               { return f.name }
func (f *textFile) Mode() fs.FileMode          { return 0o444 }
func (f *textFile) ModTime() time.Time         { return time.Time{} }
func (f *textFile) IsDir() bool                { return false }
func (f *textFile) Sys() any                   { return nil }
