package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// osReleaseExtractor reads os-release: NAME=value lines as a shell would
// (https://www.freedesktop.org/software/systemd/man/latest/os-release.html).
type osReleaseExtractor struct{}

func (osReleaseExtractor) extract(_ context.Context, c candidate) (contents, error) {
	if c.size > maxOSRelease {
		return contents{}, fmt.Errorf("it has %d bytes, more than %d", c.size, maxOSRelease)
	}
	os := &OS{}
	lines := newLineReader(c.r, c.size)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return contents{OS: os}, nil
		}
		if err != nil {
			return contents{}, err
		}
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if !ok {
			continue
		}
		switch key {
		case "ID":
			os.ID = strings.ToLower(unquote(value))
		case "VERSION_ID":
			os.VersionID = unquote(value)
		case "VERSION_CODENAME":
			os.Codename = unquote(value)
		case "PRETTY_NAME":
			os.PrettyName = unquote(value)
		}
	}
}

// unquote undoes a shell's quoting of a whole value.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ToValidUTF8(s[1:len(s)-1], "\uFFFD")
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// foreignExtractor notes the database of a package manager that is not read, so that Merge can say so. One of no bytes, as a tool
// leaves that was run on another distribution, holds no package.
type foreignExtractor struct{}

func (foreignExtractor) extract(_ context.Context, c candidate) (contents, error) {
	if c.size == 0 {
		return contents{Warning: foreignEmpty}, nil
	}
	return contents{}, nil
}

const foreignEmpty = "it is empty"
