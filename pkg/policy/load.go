package policy

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFile is the size limit of a policy file in bytes: as much as a Kubernetes ConfigMap can hold.
const MaxFile = 1 << 20

const maxProblems = 100 // reported of one file

// Document is a file that a policy file refers to by name, such as a supplier's OpenVEX document. The caller reads it.
type Document struct {
	Name    string
	Content []byte
}

// Load reads policies from YAML or JSON and gives a new set with them added: a mapping with the list policies, or one policy
// alone, as `policy show` prints it. Keys are those of Policy, Rule and Exemption; an entry of vex is an OpenVEX document or
// `file: NAME` of one of documents. name is shown in errors. Decoding is strict: an unknown or repeated key, a wrong type, a
// value that does not compile, an id that is taken are all mistakes, reported together in one *Error with lines and columns.
// Aliases are refused, as they can blow a small file up. An exemption that has ended is no mistake: see Set.Warnings.
func (s *Set) Load(r io.Reader, name string, documents ...Document) (*Set, error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read policies %s: %w", name, err)
	}
	d := &decoder{file: name, documents: documents, positions: map[string]position{}}
	if len(content) > MaxFile {
		d.failAt(position{}, "", "is larger than %d KiB: split it into several files", MaxFile>>10)
		return nil, d.error()
	}
	root := d.parse(content)
	if root == nil {
		return nil, d.error()
	}
	policies := d.policies(root, s)
	if len(d.problems) > 0 {
		return nil, d.error()
	}
	return s.extend(policies), nil
}

// position is a place in the file, from 1.
type position struct{ line, column int }

// decoder turns YAML nodes into policies and remembers where each key was, so that checks made later can say so too.
type decoder struct {
	file      string
	documents []Document
	positions map[string]position
	problems  []Problem
}

func (d *decoder) failAt(at position, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) failf(n *yaml.Node, path, format string, args ...any) {
	d.failAt(position{n.Line, n.Column}, path, format, args...)
}

// error gives the problems in the order of the file.
func (d *decoder) error() error {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if more := len(d.problems) - maxProblems; more > 0 {
		d.problems = append(d.problems[:maxProblems], Problem{File: d.file, Text: fmt.Sprintf("… and %d more mistakes", more)})
	}
	return &Error{Problems: d.problems}
}

// parse gives the root of the only YAML document, or nil after a mistake.
func (d *decoder) parse(content []byte) *yaml.Node {
	reader := yaml.NewDecoder(strings.NewReader(string(content)))
	var doc, second yaml.Node
	err := reader.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		d.failAt(position{}, "", "holds no policies: write policies: and a list, or policies: [] for none")
		return nil
	case err != nil:
		at, text := yamlError(err)
		d.failAt(at, "", "is no valid YAML: %s", text)
		return nil
	}
	switch err := reader.Decode(&second); {
	case err == nil:
		d.failf(&second, "", "a second YAML document starts here: put all policies into one list")
		return nil
	case !errors.Is(err, io.EOF):
		at, text := yamlError(err)
		d.failAt(at, "", "is no valid YAML: %s", text)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		d.failf(root, "", "must be a mapping with the key policies, not %s", kindName(root))
		return nil
	}
	return root
}

// yamlLine finds the place in the YAML library's error texts.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func yamlError(err error) (position, string) {
	text := strings.Join(strings.Fields(err.Error()), " ")
	match := yamlLine.FindStringSubmatch(text)
	if match == nil {
		return position{}, clean(text, maxClause)
	}
	line, convErr := strconv.Atoi(match[1])
	if convErr != nil {
		return position{}, clean(match[2], maxClause)
	}
	return position{line, 1}, clean(match[2], maxClause)
}

// policies decodes and compiles all policies of the file.
func (d *decoder) policies(root *yaml.Node, existing *Set) []*Policy {
	var out []*Policy
	seen := map[string]position{}
	one := func(n *yaml.Node, path string) {
		before := len(d.problems)
		p := d.policy(n, path)
		undecoded := d.problems[before:]
		d.unique(p, n, path, existing, seen)
		for _, problem := range p.prepare() {
			if at := join(path, problem.Path); !follows(at, undecoded) {
				d.failAt(d.find(at), at, "%s", problem.Text)
			}
		}
		out = append(out, p)
	}
	if !hasKey(root, "policies") && hasKey(root, "id") {
		one(root, "")
		return out
	}
	d.mapping(root, "", []field{{"policies", func(n *yaml.Node, path string) { d.list(n, path, one) }}})
	if !hasKey(root, "policies") && len(d.problems) == 0 {
		d.failf(root, "", "holds no policies: write policies: and a list, or policies: [] for none")
	}
	return out
}

// follows tells whether a mistake at a path is only the consequence of one that was reported around, at or below it: a rule whose
// only condition could not be read has no condition, a policy that is no mapping has no name.
func follows(path string, reported []Problem) bool {
	return slices.ContainsFunc(reported, func(p Problem) bool { return within(p.Path, path) || within(path, p.Path) })
}

// within tells whether a path is another or below it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || other == "" || rest[0] == '.' || rest[0] == '[')
}

// unique checks a policy's id against the file and the set.
func (d *decoder) unique(p *Policy, n *yaml.Node, path string, existing *Set, seen map[string]position) {
	if p.ID == "" {
		return
	}
	at := d.find(join(path, "id"))
	if at == (position{}) {
		at = position{n.Line, n.Column}
	}
	if old, taken := existing.byID[p.ID]; taken {
		d.failAt(at, join(path, "id"), "%s", takenText(old))
	} else if first, taken := seen[p.ID]; taken {
		d.failAt(at, join(path, "id"), "%q is the id of the policy at line %d already: choose another", clean(p.ID, maxField), first.line)
	} else {
		seen[p.ID] = at
	}
}

// find gives the place of a key, or of the nearest thing around it.
func (d *decoder) find(path string) position {
	for {
		if at, ok := d.positions[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.positions[""]
		}
		path = path[:cut]
	}
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}
