package inventory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// dotnetExtractor reads the *.deps.json that the .NET SDK writes beside each program and each shared framework. Its "libraries" are
// named Name/Version and have a type (https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md):
// "package" is a NuGet package, "runtimepack" the part of .NET that a self-contained program brings along, which is a NuGet package
// too, with "runtimepack." before its name. Projects and references to bare assemblies are in nobody's advisories.
//
// Other tools write files of that name, which have no "libraries" and no "runtimeTarget"; they give nothing.
//
// The library's extractor is not used: it lists projects, overlooks what it cannot read and logs.
type dotnetExtractor struct{}

func (dotnetExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	if c.size > maxManifest {
		return contents{}, fmt.Errorf("it is larger than %d bytes", maxManifest)
	}
	text := bufio.NewReader(c.r)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = text.Discard(len(mark))
	}
	dec := json.NewDecoder(text)
	if start, err := dec.Token(); err != nil {
		return contents{}, fmt.Errorf("it is no deps.json: %w", noEnd(err))
	} else if start != json.Delim('{') {
		return contents{}, nil
	}
	var pkgs []found
	err := eachField(dec, func(key string) error {
		if key != "libraries" {
			return skipValue(dec)
		}
		if start, err := dec.Token(); err != nil || start != json.Delim('{') {
			return errors.Join(err, errors.New("its libraries are no object"))
		}
		return eachField(dec, func(library string) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return dotnetLibrary(dec, library, &pkgs)
		})
	})
	if err == nil {
		err = endOfJSON(dec)
	}
	if err != nil {
		return contents{}, fmt.Errorf("it is no deps.json: %w", noEnd(err))
	}
	return contents{Packages: slices.Clip(pkgs)}, nil
}

// dotnetLibrary reads one library.
func dotnetLibrary(dec *json.Decoder, library string, to *[]found) error {
	kind := ""
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.Join(err, errors.New("a library is no object"))
	}
	err := eachField(dec, func(key string) error {
		if key != "type" {
			return skipValue(dec)
		}
		value, err := dec.Token()
		text, ok := value.(string)
		if err != nil || !ok {
			return errors.Join(err, errors.New("a library's type is no text"))
		}
		kind = text
		return nil
	})
	if err != nil || !strings.EqualFold(kind, "package") && !strings.EqualFold(kind, "runtimepack") {
		return err
	}
	name, version, ok := strings.Cut(library, "/")
	name = strings.TrimPrefix(name, "runtimepack.")
	if !ok || name == "" || version == "" || strings.Contains(version, "/") || len(library) > maxPythonField {
		return errors.New("a library has no name with a version")
	}
	if len(*to) == maxPackages {
		return errManyPackages
	}
	*to = append(*to, found{Name: name, Version: version})
	return nil
}
