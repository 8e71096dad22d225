package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	scalibr "github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
)

// pythonExtractor reads the metadata of installed Python distributions: METADATA of a wheel (https://peps.python.org/pep-0427/),
// PKG-INFO of an egg, or an .egg-info file. Name and version are in the header, before the description.
type pythonExtractor struct{ library }

func newPython() (pythonExtractor, error) {
	e, err := wheelegg.New(&cpb.PluginConfig{MaxFileSizeBytes: maxResult})
	if err != nil {
		return pythonExtractor{}, fmt.Errorf("python: %w", err)
	}
	return pythonExtractor{library{e}}, nil
}

func (p pythonExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	text, err := pythonHeader(newLineReader(io.LimitReader(c.r, maxHeader), min(c.size, maxHeader)))
	if err != nil {
		return contents{}, err
	}
	pkgs, err := p.run(ctx, c.path, text)
	if err != nil {
		return contents{}, err
	}
	return contents{Packages: plainPackages(pkgs)}, nil
}

// pythonHeader gives the name and the version of a header and passes over all else: the lines that go on with the one before,
// and what follows an empty line or one that is no field, where the library's extractor stops too.
func pythonHeader(lines *lineReader) (string, error) {
	var out strings.Builder
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) || err == nil && len(bytes.TrimSpace(line)) == 0 {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, _, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return out.String(), nil
		}
		if key = bytes.TrimSpace(key); !bytes.EqualFold(key, []byte("Name")) && !bytes.EqualFold(key, []byte("Version")) {
			continue
		}
		if len(line) > maxPythonField || out.Len() > 4*maxPythonField {
			return "", fmt.Errorf("line %d is longer than %d bytes", lines.number, maxPythonField)
		}
		out.Write(line)
		out.WriteByte('\n')
	}
}

// plainPackages takes what a language's packages have, a name and a version.
func plainPackages(pkgs []*scalibr.Package) []found {
	var out []found
	for _, p := range pkgs {
		out = append(out, found{Name: p.Name, Version: p.Version})
	}
	return out
}
