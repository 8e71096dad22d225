package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
)

// dpkgExtractor reads dpkg's database (deb822 paragraphs, see dpkg-query(1) and deb822(5)), whole or in distroless' parts.
//
// The library's extractor leaves out, without an error, a last paragraph that is cut short, a paragraph with no name,
// version or status, and in status.d whatever it cannot parse. So the text is checked first, line by line, and only the
// fields that matter are handed on; what comes back is counted.
type dpkgExtractor struct{ library }

func newDpkg() (dpkgExtractor, error) {
	e, err := dpkg.New(&cpb.PluginConfig{MaxFileSizeBytes: maxResult})
	if err != nil {
		return dpkgExtractor{}, fmt.Errorf("dpkg: %w", err)
	}
	return dpkgExtractor{library{e}}, nil
}

func (d dpkgExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	out := &pieces{run: d.packages}
	whole := classify(c.path) == kindDpkg
	if err := dpkgParagraphs(ctx, newLineReader(c.r, c.size), whole, out); err != nil {
		return contents{}, err
	}
	return contents{Packages: out.found}, nil
}

// packages reads a piece of a checked database.
func (d dpkgExtractor) packages(ctx context.Context, text string) ([]found, error) {
	pkgs, err := d.run(ctx, dpkgStatus, text)
	if err != nil {
		return nil, err
	}
	out := make([]found, 0, len(pkgs))
	for _, p := range pkgs {
		meta, ok := p.Metadata.(*dpkgmeta.Metadata)
		if !ok {
			return nil, fmt.Errorf("package %s comes without its metadata", p.Name)
		}
		f := found{
			Name: p.Name, Version: p.Version, Source: meta.SourceName, SourceVersion: meta.SourceVersion, Arch: meta.Architecture,
			Vendor: meta.Maintainer != distributor,
		}
		sourceOf(&f)
		out = append(out, f)
	}
	return out, nil
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

// paragraph collects the fields of one package that are handed on.
type paragraph struct {
	fields  int
	name    string
	version string
	status  string
	source  string
	arch    string
	own     bool // it is the distribution's, see isDistributors
}

// dpkgParagraphs checks a database and hands on a reduced one. whole means the database proper, where the last line must be
// complete.
func dpkgParagraphs(ctx context.Context, lines *lineReader, whole bool, out *pieces) error {
	var p paragraph
	flush := func() error {
		installed, err := p.installed()
		if err != nil {
			return fmt.Errorf("paragraph before line %d: %w", lines.number+1, err)
		}
		if installed {
			p.write(&out.text)
			err = out.end(ctx)
		}
		p = paragraph{}
		return err
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
	if err := flush(); err != nil {
		return err
	}
	return out.flush(ctx)
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

// field gives where a field goes that is handed on, and nil for all others. Field names have no case.
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
func (p *paragraph) installed() (bool, error) {
	if p.fields == 0 {
		return false, nil
	}
	if p.name == "" || strings.ContainsAny(p.name, " \t") {
		return false, fmt.Errorf("a package has no name, or the bad name %q", p.name)
	}
	if p.status != "" {
		words := strings.Fields(p.status)
		if len(words) != 3 {
			return false, fmt.Errorf("package %s has the bad status %q", p.name, p.status)
		}
		if words[2] == "not-installed" || words[2] == "config-files" {
			return false, nil
		}
	}
	if p.version == "" {
		return false, fmt.Errorf("package %s has no version", p.name)
	}
	return true, nil
}

func (p *paragraph) write(out *strings.Builder) {
	fmt.Fprintf(out, "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: %s\n", p.name, p.version, p.arch)
	if p.source != "" {
		fmt.Fprintf(out, "Source: %s\n", p.source)
	}
	if p.own {
		fmt.Fprintf(out, "Maintainer: %s\n", distributor)
	}
	out.WriteByte('\n')
}
