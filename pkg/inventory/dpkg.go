package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// dpkgExtractor reads dpkg's database (deb822 paragraphs, see dpkg-query(1) and deb822(5)), whole or in distroless' parts. A last
// paragraph that is cut short and a package with no name or version are errors, since a part of the packages is never given for
// the whole.
type dpkgExtractor struct{}

func (dpkgExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	var out installedList
	whole := classify(c.path) == kindDpkg
	if err := dpkgParagraphs(ctx, newLineReader(c.r, c.size), whole, &out); err != nil {
		return contents{}, err
	}
	return contents{Packages: out.found}, nil
}

// sourceOf leaves only what differs between a package and its source. A binary rebuild without a source change (1.2-3+b1 of
// source 1.2-3) keeps its source version, which is the one that advisories compare with.
//
// Kernel headers are built from the kernel's source but are not the kernel: nothing of it runs, and a container runs its
// host's kernel anyway. Under their source's name they would have every kernel advisory, some thousands, so their source is
// left out; no advisory lists them by their own names.
func sourceOf(f *found) {
	if isKernelHeaders(f) {
		f.Source, f.SourceVersion = "", ""
	}
	if f.Source == f.Name {
		f.Source = ""
	}
	if f.SourceVersion == f.Version {
		f.SourceVersion = ""
	}
}

// isKernelHeaders tells whether a Debian or Ubuntu package holds the kernel's headers or what is needed to compile with them.
func isKernelHeaders(f *found) bool {
	if f.Source != "linux" && !strings.HasPrefix(f.Source, "linux-") {
		return false
	}
	for _, prefix := range []string{"linux-libc-dev", "linux-headers-", "linux-kbuild-", "linux-compiler-"} {
		if strings.HasPrefix(f.Name, prefix) {
			return true
		}
	}
	return false
}

// paragraph collects the fields of one package that matter.
type paragraph struct {
	fields  int
	name    string
	version string
	status  string
	source  string
	arch    string
	own     bool // it is the distribution's, see isDistributors
}

// dpkgParagraphs reads a database. whole means the database proper, where the last line must be
// complete.
func dpkgParagraphs(ctx context.Context, lines *lineReader, whole bool, out *installedList) error {
	var p paragraph
	flush := func() error {
		f, installed, err := p.installed()
		if err != nil {
			return fmt.Errorf("paragraph before line %d: %w", lines.number+1, err)
		}
		p = paragraph{}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !installed {
			return nil
		}
		return out.add(f)
	}
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && (len(line) == 0 || p.name != "" && bytes.HasPrefix(line, []byte("Package:"))) {
			err = flush() // paragraphs that follow each other without a blank line are several packages all the same
		}
		if err == nil && len(line) > 0 {
			err = p.add(line, lines)
		}
		if err != nil {
			return err
		}
	}
	if whole && !lines.ended {
		return fmt.Errorf("it is cut short in line %d", lines.number)
	}
	return flush()
}

// add takes one line of a paragraph.
func (p *paragraph) add(line []byte, at *lineReader) error {
	if line[0] == ' ' || line[0] == '\t' {
		if p.fields == 0 {
			return fmt.Errorf("line %d continues nothing", at.number)
		}
		return nil
	}
	key, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isFieldName(key) {
		return fmt.Errorf("line %d is no field: %.40q", at.number, line)
	}
	p.fields++
	p.own = p.own || isDistributors(key, value)
	to := p.field(key)
	if to == nil {
		return nil
	}
	if at.cut {
		return fmt.Errorf("line %d is longer than %d bytes", at.number, maxLine)
	}
	*to = string(bytes.TrimSpace(value))
	return nil
}

// field gives where a field goes that matters, and nil for all others. Field names have no case.
func (p *paragraph) field(key []byte) *string {
	switch {
	case bytes.EqualFold(key, []byte("Package")):
		return &p.name
	case bytes.EqualFold(key, []byte("Version")):
		return &p.version
	case bytes.EqualFold(key, []byte("Status")):
		return &p.status
	case bytes.EqualFold(key, []byte("Source")):
		return &p.source
	case bytes.EqualFold(key, []byte("Architecture")):
		return &p.arch
	}
	return nil
}

func isFieldName(key []byte) bool {
	for _, c := range key {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(key) > 0
}

// installed tells whether the package's files are in the image. That is so in every state but "not-installed" and
// "config-files": an unpacked package that waits for its configuration or a trigger can be run all the same. Without a state it
// is taken for installed: distroless images write none, nor do chiselled Ubuntu ones, in var/lib/dpkg/status itself.
func (p *paragraph) installed() (f found, installed bool, err error) {
	if p.fields == 0 {
		return found{}, false, nil
	}
	if p.name == "" || strings.ContainsAny(p.name, " \t") {
		return found{}, false, fmt.Errorf("a package has no name, or the bad name %q", p.name)
	}
	if p.status != "" {
		words := strings.Fields(p.status)
		if len(words) != 3 {
			return found{}, false, fmt.Errorf("package %s has the bad status %q", p.name, p.status)
		}
		if words[2] == "not-installed" || words[2] == "config-files" {
			return found{}, false, nil
		}
	}
	if p.version == "" {
		return found{}, false, fmt.Errorf("package %s has no version", p.name)
	}
	f = found{Name: p.name, Version: p.version, Source: p.source, Arch: p.arch, Vendor: !p.own}
	if name, version, ok := strings.Cut(p.source, " ("); ok { // Source: name (version)
		if f.Source, ok = name, strings.HasSuffix(version, ")"); !ok {
			return found{}, false, fmt.Errorf("package %s has the bad source %q", p.name, p.source)
		}
		f.SourceVersion = strings.TrimSuffix(version, ")")
	}
	sourceOf(&f)
	return f, true, nil
}
