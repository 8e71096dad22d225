package controlplane

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// settings are the configuration file of K3s or RKE2 and its drop-ins, in the order in which the server reads them: a file's key
// replaces that of the files before it, but for a key with a plus at its end, which adds to it
// (https://docs.k3s.io/installation/configuration#multiple-config-files, pkg/configfilearg/parser.go of k3s-io/k3s).
type settings []*settingsFile

type settingsFile struct {
	path    string
	old     *content   // nil where there is none
	root    *yaml.Node // nil where it has no settings
	changes []change
}

// setting is one value of a key.
type setting struct {
	file *settingsFile
	node *yaml.Node
}

// entry is a key of a file with its value: where a value can be added so that it counts.
type entry struct {
	file       *settingsFile
	key, value *yaml.Node
}

func loadSettings(d disk, name string) (settings, error) {
	names := []string{name}
	folder, err := d.open(name + ".d")
	if err == nil {
		var entries []fs.DirEntry
		entries, err = folder.ReadDir(-1)
		_ = folder.Close() // it was only read
		for _, e := range entries {
			if ending := strings.ToLower(path.Ext(e.Name())); !e.IsDir() && (ending == ".yaml" || ending == ".yml") {
				names = append(names, path.Join(name+".d", e.Name()))
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the folder %s.d of the node: %w", name, err)
	}
	slices.Sort(names[1:])
	var all settings
	for _, name := range names {
		f := &settingsFile{path: name}
		if f.old, err = load(d, name); err != nil {
			return nil, err
		}
		if f.old != nil {
			if f.root, err = parseSettings(f.old.text); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// parseSettings reads a file of settings, nil where it has none.
func parseSettings(text []byte) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err == nil && document.IsZero() {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	root, err := parseOne(text)
	if err == nil && root.Style&yaml.FlowStyle != 0 {
		err = errors.New("its settings are within braces: write each on a line of its own")
	}
	return root, err
}

// find gives the values of a key that count, and the entry that they begin with, nil where there is none.
func (s settings) find(name string) (values []setting, first *entry, err error) {
	for _, f := range s {
		if f.root == nil {
			continue
		}
		for i := 0; i+1 < len(f.root.Content); i += 2 {
			key, value := f.root.Content[i], f.root.Content[i+1]
			plain, adds := strings.CutSuffix(key.Value, "+")
			if plain != name {
				continue
			}
			if !adds || first == nil {
				values, first = nil, &entry{f, key, value}
			}
			items := value.Content
			if value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
				items = []*yaml.Node{value}
			}
			for _, item := range items {
				if value.Kind == yaml.MappingNode || item.Kind != yaml.ScalarNode {
					return nil, nil, fmt.Errorf("%s: %s is no list of texts", f.path, key.Value)
				}
				values = append(values, setting{f, item})
			}
			if value.Kind == yaml.AliasNode {
				return nil, nil, fmt.Errorf("%s: %s is written by an alias: write it plainly", f.path, key.Value)
			}
		}
	}
	return values, first, nil
}

// replace changes the text of a value.
func (v setting) replace(old, text string) error {
	m := &manifest{text: v.file.old.text}
	c, err := m.replace(v.node, old, text)
	if err != nil {
		return fmt.Errorf("%s: line %d: the value cannot be found on its line: write it plainly", v.file.path, v.node.Line)
	}
	v.file.changes = append(v.file.changes, c)
	return nil
}

// add adds a value to a key's list: to the list that counts, or, where there is none, to a new key of the main file.
func (s settings) add(name, text string) error {
	_, first, err := s.find(name)
	if err != nil {
		return err
	}
	if first == nil {
		s.addKey(name+":", "  - "+text)
		return nil
	}
	f := first.file
	m := &manifest{text: f.old.text}
	var changes []change
	switch value := first.value; {
	case value.Kind == yaml.SequenceNode:
		c, failed := m.insert(first.key, value, `"`+text+`"`, []string{text})
		changes, err = []change{c}, failed
	case value.Tag == "!!null" && value.Value == "":
		at := m.offset(first.key.Line+1, 1)
		changes = []change{{at, at, m.line(at, "  - "+text)}}
	case first.key.Line == value.Line && (value.Style&(yaml.LiteralStyle|yaml.FoldedStyle)) == 0:
		start, end := m.offset(value.Line, value.Column), m.offset(value.Line+1, 1)
		if start < 0 {
			return fmt.Errorf("%s: %s is not where it should be", f.path, name)
		}
		colon := strings.TrimRight(string(f.old.text[:start]), " \t")
		changes = []change{{len(colon), start, m.ending() + "  - "}, {end, end, m.line(end, "  - "+text)}}
	default:
		err = errors.New("is laid out in a way that cannot be edited safely")
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w: make it a list, an item on each line", f.path, name, err)
	}
	f.changes = append(f.changes, changes...)
	return nil
}

// addKey adds a key to the main file: lines at its end.
func (s settings) addKey(lines ...string) {
	f := s[0]
	m := &manifest{}
	if f.old != nil {
		m.text = f.old.text
	}
	text := m.line(len(m.text), strings.Join(lines, m.ending()))
	for _, c := range f.changes { // of another key before
		if c.start == len(m.text) {
			text = strings.TrimPrefix(text, m.ending())
		}
	}
	f.changes = append(f.changes, change{len(m.text), len(m.text), text})
}

// line gives a line to be put in at a byte, with an ending before it where the text there has none.
func (m *manifest) line(at int, text string) string {
	if at > 0 && m.text[at-1] != '\n' {
		text = m.ending() + text
	}
	return text + m.ending()
}

// targets gives the files that change, as they will be. What they mean together must be what it was with the values of the keys
// that stripped takes out being all that differs, and then wanted must find the new ones.
func (s settings) targets(stripped func(key, value string) bool, wanted func(settings) error) ([]target, error) {
	var targets []target
	var after settings
	for _, f := range s {
		if len(f.changes) == 0 {
			after = append(after, f)
			continue
		}
		m := &manifest{}
		t := target{path: f.path, old: f.old, private: true, new: content{mode: 0o600, uid: os.Getuid(), gid: os.Getgid()}}
		if f.old != nil {
			m.text, t.new = f.old.text, *f.old
		}
		edited := &settingsFile{path: f.path, old: &t.new}
		text, err := m.with(f.changes, func(text []byte) error {
			root, err := parseSettings(text)
			edited.root = root
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		t.new.text = text
		after = append(after, edited)
		targets = append(targets, t)
	}
	was, err := s.flat(stripped)
	if err != nil {
		return nil, err
	}
	is, err := after.flat(stripped)
	if err == nil {
		err = wanted(after)
	}
	if err == nil && !reflect.DeepEqual(was, is) {
		err = errors.New("more would change than what is wanted")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is laid out in a way that cannot be edited safely (%w): make the change by hand", s[0].path, err)
	}
	return targets, nil
}

// flat gives what the files mean together, without the values that stripped takes out.
func (s settings) flat(stripped func(key, value string) bool) (map[string][]any, error) {
	all := map[string][]any{}
	for _, f := range s {
		for i := 0; f.root != nil && i+1 < len(f.root.Content); i += 2 {
			var value any
			if err := f.root.Content[i+1].Decode(&value); err != nil {
				return nil, fmt.Errorf("%s: %w", f.path, err)
			}
			values, many := value.([]any)
			if !many && value != nil {
				values = []any{value}
			}
			key, adds := strings.CutSuffix(f.root.Content[i].Value, "+")
			values = slices.DeleteFunc(values, func(v any) bool { return stripped(key, fmt.Sprint(v)) })
			if adds {
				values = slices.Concat(all[key], values)
			}
			if all[key] = values; len(values) == 0 {
				delete(all, key)
			}
		}
	}
	return all, nil
}
