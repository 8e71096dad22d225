package inventory

import (
	"bytes"
	"context"
	"encoding/json"
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
	text := make([]byte, c.size)
	if _, err := io.ReadFull(c.r, text); err != nil {
		return contents{}, fmt.Errorf("read: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &m); err != nil {
		return contents{}, fmt.Errorf("it is no package.json: %w", err)
	}
	pkgs, err := n.run(ctx, c.path, m.text())
	if err != nil {
		return contents{}, err
	}
	return contents{Packages: plainPackages(pkgs)}, nil
}
