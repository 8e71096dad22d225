package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// gemExtractor reads the specification that RubyGems writes for each installed gem, specifications/name-version.gemspec, and for
// those that come with Ruby, below specifications/default. It is Ruby code of a fixed form
// (https://github.com/rubygems/rubygems/blob/master/lib/rubygems/specification.rb, to_ruby): a line of comment,
//
//	# stub: rack 2.2.3 ruby lib
//
// and assignments of text, s.name = "rack".freeze and s.version = "2.2.3". RubyGems itself takes the name and the version of the
// first. A specification that was written by hand may have no such line, and then the assignments count; one that computes its
// version from Ruby code has neither.
//
// The library's extractor is not used: it knows nothing of the comment, holds lines of any length and logs.
type gemExtractor struct{}

func (gemExtractor) extract(_ context.Context, c candidate) (contents, error) {
	limited := &io.LimitedReader{R: c.r, N: maxGemspec}
	lines := newLineReader(limited, min(c.size, maxGemspec))
	var stub, assigned found
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return contents{}, err
		}
		if lines.cut { // a list of files
			continue
		}
		if rest, ok := bytes.CutPrefix(line, []byte("# stub: ")); ok && stub.Name == "" {
			stub = gemStub(string(rest))
		}
		gemField(string(bytes.TrimSpace(line)), &assigned)
		if stub.Name != "" || assigned.Name != "" && assigned.Version != "" {
			break
		}
	}
	if stub.Name != "" {
		assigned = stub
	}
	if assigned.Name == "" || assigned.Version == "" {
		if limited.N <= 0 {
			return contents{}, fmt.Errorf("its first %d bytes name no gem with a version", maxGemspec)
		}
		return contents{}, errors.New("it names no gem with a version")
	}
	if len(assigned.Name)+len(assigned.Version) > maxGemField {
		return contents{}, fmt.Errorf("its name and version are longer than %d bytes", maxGemField)
	}
	return contents{Packages: []found{assigned}}, nil
}

// gemStub reads name, version, platform and paths to load from. The platform is not part of a gem's version in advisories.
func gemStub(text string) found {
	fields := strings.Fields(text)
	if len(fields) < 3 || !startsWithDigit(fields[1]) {
		return found{}
	}
	return found{Name: fields[0], Version: fields[1]}
}

// gemField takes an assignment of the name or the version; the first one counts.
func gemField(line string, to *found) {
	target, value, ok := strings.Cut(line, "=")
	_, field, dotted := strings.Cut(strings.TrimSpace(target), ".")
	if !ok || !dotted {
		return
	}
	switch value = rubyText(strings.TrimSpace(value)); field {
	case "name":
		if to.Name == "" {
			to.Name = value
		}
	case "version":
		if to.Version == "" && startsWithDigit(value) {
			to.Version = value
		}
	}
}

// rubyText gives a text of Ruby code that stands for itself: "x", 'x', %q{x}, each with anything behind it, and
// Gem::Version.new of one. Empty: it is something else.
func rubyText(code string) string {
	if rest, ok := strings.CutPrefix(code, "Gem::Version.new"); ok {
		code = strings.TrimLeft(rest, "( ")
	}
	var end string
	switch {
	case strings.HasPrefix(code, `"`), strings.HasPrefix(code, "'"):
		end, code = code[:1], code[1:]
	case strings.HasPrefix(code, "%q{"):
		end, code = "}", code[3:]
	default:
		return ""
	}
	text, _, ok := strings.Cut(code, end)
	if !ok || strings.ContainsAny(text, "\\#") { // escapes and computed parts
		return ""
	}
	return text
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
