package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// pythonExtractor reads the metadata of installed Python distributions: METADATA of a wheel (https://peps.python.org/pep-0427/),
// PKG-INFO of an egg, or an .egg-info file. Name and version are in the header, before the description: nothing behind them is read.
type pythonExtractor struct{}

func (pythonExtractor) extract(_ context.Context, c candidate) (contents, error) {
	limited := &io.LimitedReader{R: c.r, N: maxHeader}
	lines := newLineReader(limited, min(c.size, maxHeader))
	f, err := pythonHeader(lines)
	if err != nil {
		return contents{}, err
	}
	if limited.N <= 0 && (f.Name == "" || f.Version == "" || !lines.ended) {
		return contents{}, fmt.Errorf("its name and its version are not in the first %d bytes", maxHeader)
	}
	if f.Name == "" || f.Version == "" {
		return contents{}, fmt.Errorf("its name or its version is missing: name %q, version %q", f.Name, f.Version)
	}
	return contents{Packages: []found{f}}, nil
}

// pythonHeader gives the name and the version of a header, the first of each, and passes over all else: the lines that go on with the
// one before, and what follows both of them, an empty line or one that is no field, as some distributions have it (passlib 1.7.4).
func pythonHeader(lines *lineReader) (found, error) {
	var (
		f    found
		seen int
	)
	fields := map[string]*string{"name": &f.Name, "version": &f.Version}
	for {
		if len(fields) == 0 {
			return f, nil
		}
		line, err := lines.next()
		if errors.Is(err, io.EOF) || err == nil && len(bytes.TrimSpace(line)) == 0 {
			return f, nil
		}
		if err != nil {
			return found{}, err
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return f, nil
		}
		if key = bytes.TrimSpace(key); !bytes.EqualFold(key, []byte("Name")) && !bytes.EqualFold(key, []byte("Version")) {
			continue
		}
		if seen += len(line) + 1; len(line) > maxPythonField || seen > 4*maxPythonField {
			return found{}, fmt.Errorf("line %d is longer than %d bytes", lines.number, maxPythonField)
		}
		field := string(bytes.ToLower(key))
		if to := fields[field]; to != nil { // the first of its kind
			*to = string(bytes.TrimSpace(value))
			delete(fields, field)
		}
	}
}
