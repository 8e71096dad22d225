package export_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/export"
)

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		for _, format := range export.Formats() {
			first := written(t, format, d)
			if !bytes.Equal(first, written(t, format, d)) {
				t.Errorf("%s as %s differs from itself", name, format)
			}
			if !utf8.Valid(first) {
				t.Errorf("%s as %s is not UTF-8", name, format)
			}
		}
	}
	for _, format := range export.Formats() {
		other := small()
		other.Image.Digest = strings.ReplaceAll(digest, "1", "4")
		other.Report.Digest = other.Image.Digest
		if bytes.Equal(written(t, format, small()), written(t, format, other)) {
			t.Errorf("%s does not depend on the digest", format)
		}
	}
}

func TestUnreadIsStated(t *testing.T) {
	t.Parallel()
	d := small()
	d.Inventory.Packages, d.Report.Findings = nil, nil
	for _, format := range export.Formats() {
		if got := string(written(t, format, d)); !strings.Contains(got, "opt/app.whl: not a zip archive") {
			t.Errorf("%s hides what could not be read:\n%s", format, got)
		}
	}
}

func TestWhatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*export.Document)
		format export.Format
		want   string
	}{
		{"no digest", func(d *export.Document) { d.Image.Digest = "" }, export.CycloneDX, `the image's digest "" is none`},
		{"half a digest", func(d *export.Document) { d.Image.Digest = "sha256:" }, export.CycloneDX, `the image's digest "sha256:" is none`},
		{"no time", func(d *export.Document) { d.Time = time.Time{} }, export.CycloneDXXML, "there is no time"},
		{"another report", func(d *export.Document) { d.Report.Digest = "sha256:5" }, export.CycloneDX, `the report is about "sha256:5"`},
		{"no report", func(d *export.Document) { d.Report = nil }, export.SARIF, "there is no report"},
		{"no such format", func(*export.Document) {}, "csv", "the format is none of cyclonedx, "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := small()
			test.change(d)
			var b bytes.Buffer
			err := export.Write(&b, test.format, d)
			if err == nil || !strings.Contains(err.Error(), test.want) || b.Len() > 0 {
				t.Errorf("error %v with %d bytes written, want %q", err, b.Len(), test.want)
			}
		})
	}
}

// full is a writer without room.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheWriterAreGiven(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		if err := export.Write(full{}, format, many(100)); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v, want %v", format, err, errFull)
		}
	}
}

func TestFormatsHaveMediaTypes(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		if _, _, err := mime.ParseMediaType(format.MediaType()); err != nil {
			t.Errorf("%s: %q: %v", format, format.MediaType(), err)
		}
	}
	if got := export.Format("csv").MediaType(); got != "" {
		t.Errorf("an unknown format has the type %q", got)
	}
}

func TestManyPackagesTakeBoundedTime(t *testing.T) {
	t.Parallel()
	d := many(10_000)
	for _, format := range export.Formats() {
		began := time.Now()
		written(t, format, d)
		if took := time.Since(began); took > 10*time.Second { // far above what it takes: this is about work that grows with the square
			t.Errorf("%s took %s", format, took)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	d := many(10_000)
	for _, format := range export.Formats() {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := export.Write(io.Discard, format, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
