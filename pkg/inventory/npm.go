package inventory

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// npmExtractor reads the package.json of modules: those below node_modules, and what was unpacked elsewhere, as Bower, a vendored copy
// or an application that is itself a module of npm. Lock files say what was wanted, not what is installed, so they are not read. Outside
// node_modules a package.json that says "private", as an application's own and the members of its workspaces do, is of nothing that a registry
// has, since npm refuses to publish it (https://docs.npmjs.com/cli/v11/configuring-npm/package-json#private): an advisory with its name
// is about something else. Nor are those among tests, which are examples. A package.json with no name or no version, as many
// modules have in their subdirectories, is not a module's and gives nothing; nor does that of an extension of Visual Studio Code
// (https://code.visualstudio.com/api/references/extension-manifest) or of a package of Unity (https://docs.unity3d.com/Manual/upm-manifestPkg.html).
type npmExtractor struct{}

// manifest is what decides. Everything else in a package.json is left out, since a field of an unusual form, such as a list of
// dependencies, is one that npm itself overlooks.
type manifest struct {
	Name        json.RawMessage
	Version     json.RawMessage
	Engines     json.RawMessage
	Contributes json.RawMessage
	Unity       json.RawMessage
	Private     json.RawMessage
}

// isPrivate tells whether npm would refuse to publish the module: private is anything that is true to JavaScript.
func (m *manifest) isPrivate() bool {
	switch string(m.Private) {
	case "", "false", "null", "0", `""`:
		return false
	}
	return true
}

// isModules tells whether the file is a module's of npm.
func (m *manifest) isModules() bool {
	var engines map[string]json.RawMessage
	if json.Unmarshal(m.Engines, &engines) == nil {
		if _, ok := engines["vscode"]; ok {
			return false
		}
	}
	return m.Contributes == nil && (m.Unity == nil || string(m.Unity) == `""`)
}

func (npmExtractor) extract(_ context.Context, c candidate) (contents, error) {
	if c.size > maxManifest {
		return contents{}, fmt.Errorf("it is larger than %d bytes", maxManifest)
	}
	elsewhere := !isBelowModules(c.path)
	if elsewhere && isAmongTests(c.path) {
		return contents{}, nil
	}
	var m manifest
	if err := m.read(c.r); err != nil {
		return contents{}, fmt.Errorf("it is no package.json: %w", err)
	}
	if m.Name == nil || m.Version == nil || elsewhere && m.isPrivate() {
		return contents{}, nil
	}
	if m.Name[0] != '"' || m.Version[0] != '"' {
		return contents{Warning: "it is no module's: its name or its version is not a text"}, nil
	}
	var f found
	if err := errors.Join(json.Unmarshal(m.Name, &f.Name), json.Unmarshal(m.Version, &f.Version)); err != nil {
		return contents{}, fmt.Errorf("it is no package.json: %w", err)
	}
	if f.Name == "" || f.Version == "" || !m.isModules() {
		return contents{}, nil
	}
	return contents{Packages: []found{f}}, nil
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

// field keeps the value of a field, or passes over it, as npm does with some fields of an unusual form.
func (m *manifest) field(dec *json.Decoder, name string) error {
	to := map[string]*json.RawMessage{"name": &m.Name, "version": &m.Version, "engines": &m.Engines, "contributes": &m.Contributes, "unity": &m.Unity, "private": &m.Private}[name]
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
