package policy

import (
	"fmt"
	"strings"
)

// Problem is one mistake in a policy, worded for the person who wrote it.
type Problem struct {
	File   string // empty where the policy was not read from a file
	Line   int    // from 1; 0: not known
	Column int    // from 1
	Path   string // the key: policies[0].rules[1].severity; empty: the whole document
	Text   string // what is wrong and what to do
}

// String gives file:line:column: path: text, without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error lists every mistake found in policies. Nothing of a file with a mistake is used.
type Error struct {
	Problems []Problem // at least one, in the order of the file
}

// Error gives one line per problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i := range e.Problems {
		lines[i] = e.Problems[i].String()
	}
	return strings.Join(lines, "\n")
}
