package inventory

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
)

// npmExtractor reads the package.json of modules below node_modules. Lock files and an application's own package.json
// say what was wanted, not what is installed, so they are not read. A package.json with no name or no version, as many
// modules have in their subdirectories, is not a module's and gives nothing; the library decides that.
type npmExtractor struct{ library }

// manifest is what the library needs to decide. Everything else in a package.json is left out, since the library refuses
// the whole file over a field of an unusual form, such as a list of dependencies, that npm itself overlooks.
type manifest struct {
	Name        json.RawMessage `json:"name"`
	Version     json.RawMessage `json:"version"`
	Engines     json.RawMessage `json:"engines"`
	Contributes json.RawMessage `json:"contributes"`
	Unity       json.RawMessage `json:"unity"`
}

// text writes the manifest. The values are valid JSON already.
func (m *manifest) text() string {
	out, sep := make([]byte, 0, 256), byte('{')
	for _, field := range []struct {
		key   string
		value json.RawMessage
	}{{"name", m.Name}, {"version", m.Version}, {"engines", m.Engines}, {"contributes", m.Contributes}, {"unity", m.Unity}} {
		if field.value != nil {
			out = append(append(out, sep, '"'), field.key...)
			out = append(append(out, '"', ':'), field.value...)
			sep = ','
		}
	}
	if sep == '{' {
		out = append(out, sep)
	}
	return string(append(out, '}'))
}

func newNPM() (npmExtractor, error) {
	e, err := packagejson.New(&cpb.PluginConfig{MaxFileSizeBytes: maxManifest})
	if err != nil {
		return npmExtractor{}, fmt.Errorf("npm: %w", err)
	}
	return npmExtractor{library{e}}, nil
}

func (n npmExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	if c.size > maxManifest {
		return contents{}, fmt.Errorf("it is larger than %d bytes", maxManifest)
	}
	var m manifest
	if err := m.read(c.r); err != nil {
		return contents{}, fmt.Errorf("it is no package.json: %w", err)
	}
	if m.Name == nil || m.Version == nil {
		return contents{}, nil
	}
	if m.Name[0] != '"' || m.Version[0] != '"' {
		return contents{Warning: "it is no module's: its name or its version is not a text"}, nil
	}
	pkgs, err := n.run(ctx, c.path, m.text())
	if err != nil {
		return contents{}, err
	}
	return contents{Packages: plainPackages(pkgs)}, nil
}

// read takes the fields as they come, so that of a large file no more is held than its longest text. Where a field is there
// twice the last one counts, as it does for Node.js.
func (m *manifest) read(r io.Reader) error {
	text := bufio.NewReader(r)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = text.Discard(len(mark))
	}
	dec := json.NewDecoder(text)
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return cmp.Or(noEnd(err), errors.New("it is not a JSON object"))
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return noEnd(err)
		}
		name, _ := key.(string)
		if err := m.field(dec, name); err != nil {
			return noEnd(err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return noEnd(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// field keeps the value of a field, or passes over it. The library refuses some fields in a form that npm overlooks; they are
// left out then.
func (m *manifest) field(dec *json.Decoder, name string) error {
	to := map[string]*json.RawMessage{"name": &m.Name, "version": &m.Version, "engines": &m.Engines, "contributes": &m.Contributes, "unity": &m.Unity}[name]
	if to == nil {
		return skipValue(dec)
	}
	*to = nil
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if name == "contributes" && (*to)[0] != '{' || name == "unity" && (*to)[0] != '"' || string(*to) == "null" {
		*to = nil
	}
	if len(*to) > maxManifestField && name != "contributes" {
		return fmt.Errorf("its %s is longer than %d bytes", name, maxManifestField)
	}
	if name == "contributes" && *to != nil {
		*to = json.RawMessage("{}") // that it is there is all that counts
	}
	return nil
}

// skipValue passes over one value, piece by piece.
func skipValue(dec *json.Decoder) error {
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("field: %w", err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		if depth > maxManifestDepth {
			return fmt.Errorf("more than %d lists and objects are within each other", maxManifestDepth)
		}
	}
}

// noEnd words an end of the text that comes too early.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut short")
	}
	return err
}
