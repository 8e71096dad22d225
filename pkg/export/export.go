package export

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

// Format names an output format, as users write it.
type Format string

// The formats.
const (
	CycloneDX    Format = "cyclonedx"      // CycloneDX 1.6, JSON
	CycloneDXXML Format = "cyclonedx-xml"  // CycloneDX 1.6, XML
	SPDX         Format = "spdx"           // SPDX 2.3, JSON
	SPDXTagValue Format = "spdx-tag-value" // SPDX 2.3, tag-value
	SARIF        Format = "sarif"          // SARIF 2.1.0
)

// Formats lists every format.
func Formats() []Format { return []Format{CycloneDX, CycloneDXXML, SPDX, SPDXTagValue, SARIF} }

// IsBill tells whether the format is a bill of materials, which needs no Report.
func (f Format) IsBill() bool { return f != SARIF }

// MediaType is the registered media type, for a Content-Type; empty for a format that is not known.
func (f Format) MediaType() string {
	switch f {
	case CycloneDX:
		return "application/vnd.cyclonedx+json; version=1.6"
	case CycloneDXXML:
		return "application/vnd.cyclonedx+xml; version=1.6"
	case SPDX:
		return "application/spdx+json"
	case SPDXTagValue:
		return "text/spdx"
	case SARIF:
		return "application/sarif+json"
	}
	return ""
}

// Image describes the image that a Document is about.
type Image struct {
	Reference string // as it was asked for
	Digest    string // of the platform's manifest, algorithm:hexadecimal; must be given
	Index     string // digest of the index that the reference named, where it is one
	Platform  string // os/arch[/variant]
}

// State is what someone says of a vulnerability in an image.
type State string

// The states.
const (
	StateNotAffected State = "not_affected" // the image cannot be attacked by it
	StateFixed       State = "fixed"        // the image has a fix that its versions do not show
	StateExempted    State = "exempted"     // it is accepted for now, which says nothing of whether it can be exploited
)

// Statement takes a finding out of what an image is judged by. The finding stays in the output, with the statement beside it.
type Statement struct {
	ID      string            // the Finding's
	Package inventory.Package // the Finding's
	State   State             // default: StateExempted
	Reason  string            // as its author gave it
}

// Document is all that the formats are written from. Write changes none of it.
type Document struct {
	Image      Image
	Inventory  inventory.Inventory
	Report     *scan.Report // nil: not judged, and a bill of materials says so; SARIF needs one
	Statements []Statement  // about findings of Report
	Version    string       // of runecast; may be empty
	Time       time.Time    // that the output states as its own; must be given
}

// Write writes a document in one format. It gives an error for a Document that lacks what the format must have, before
// anything is written, and where w fails.
func Write(w io.Writer, format Format, d *Document) error {
	if err := d.check(format); err != nil {
		return fmt.Errorf("export as %s: %w", format, err)
	}
	buffered := bufio.NewWriter(w)
	var err error
	switch format {
	case CycloneDX, CycloneDXXML:
		err = writeCycloneDX(buffered, format, d)
	case SPDX, SPDXTagValue:
		err = writeSPDX(buffered, format, d)
	case SARIF:
		err = writeSARIF(buffered, d)
	default:
		err = fmt.Errorf("the format is none of %s", formatNames())
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("export as %s: %w", format, err)
	}
	return nil
}

func formatNames() string {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (d *Document) check(format Format) error {
	var errs []error
	if algorithm, sum, ok := strings.Cut(d.Image.Digest, ":"); !ok || algorithm == "" || sum == "" {
		errs = append(errs, fmt.Errorf("the image's digest %q is none", d.Image.Digest))
	}
	if d.Time.IsZero() {
		errs = append(errs, errors.New("there is no time"))
	}
	if d.Report == nil && !format.IsBill() {
		errs = append(errs, errors.New("there is no report"))
	}
	if d.Report != nil && d.Report.Digest != d.Image.Digest {
		errs = append(errs, fmt.Errorf("the report is about %q, not about %q", d.Report.Digest, d.Image.Digest))
	}
	return errors.Join(errs...)
}

// timestamp is the document's time as all formats write it.
func (d *Document) timestamp() string { return d.Time.UTC().Format(time.RFC3339) }
