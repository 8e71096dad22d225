package export_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/runecast/runecast/pkg/export"
)

func decodeSPDX(tb testing.TB, format export.Format, d *export.Document) *spdx.Document {
	tb.Helper()
	read := spdxjson.Read
	if format == export.SPDXTagValue {
		read = tagvalue.Read
	}
	doc, err := read(bytes.NewReader(written(tb, format, d)))
	if err != nil {
		tb.Fatalf("%s cannot be read: %v", format, err)
	}
	return doc
}

// TestSPDXIsValid reads the documents back, and checks what SPDX 2.3 demands of every document and package.
func TestSPDXIsValid(t *testing.T) {
	t.Parallel()
	for name, d := range documents() {
		for _, format := range []export.Format{export.SPDX, export.SPDXTagValue} {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				t.Parallel()
				wantSPDX(t, decodeSPDX(t, format, d), d)
			})
		}
	}
}

func wantSPDX(tb testing.TB, doc *spdx.Document, d *export.Document) {
	tb.Helper()
	if err := spdxlib.ValidateDocument(doc); err != nil {
		tb.Error(err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.DataLicense != "CC0-1.0" || doc.SPDXIdentifier != "DOCUMENT" || doc.DocumentName == "" ||
		!strings.HasPrefix(doc.DocumentNamespace, "https://") || strings.Contains(doc.DocumentNamespace, "#") || len(doc.CreationInfo.Creators) == 0 || doc.CreationInfo.Created != "2024-11-21T12:00:00Z" {
		tb.Errorf("the document's own fields: %+v", doc)
	}
	valid, seen := regexp.MustCompile(`^[A-Za-z0-9.-]+$`), map[string]bool{} // https://spdx.github.io/spdx-spec/v2.3/package-information/#72-package-spdx-identifier-field
	for _, p := range doc.Packages {
		id := string(p.PackageSPDXIdentifier)
		if !valid.MatchString(id) || seen[id] || p.PackageName == "" || p.PackageDownloadLocation != "NOASSERTION" || p.FilesAnalyzed {
			tb.Errorf("package %+v", p)
		}
		seen[id] = true
		for _, r := range p.PackageExternalReferences {
			if r.Category != "PACKAGE-MANAGER" || r.RefType != "purl" || !strings.HasPrefix(r.Locator, "pkg:") || strings.ContainsAny(r.Locator, " \n") {
				tb.Errorf("external reference %+v", r)
			}
		}
	}
	if extra := len(doc.Packages) - len(d.Inventory.Packages); extra < 1 || extra > 2 { // the image, and its operating system where it is known
		tb.Errorf("%d packages of %d", len(doc.Packages), len(d.Inventory.Packages))
	}
	if len(doc.Relationships) != len(doc.Packages) {
		tb.Errorf("%d relationships of %d packages", len(doc.Relationships), len(doc.Packages))
	}
	if len(doc.Annotations) != len(d.Inventory.Unread)+len(d.Inventory.Warnings) {
		tb.Errorf("%d annotations", len(doc.Annotations))
	}
}

func TestSPDXSaysAllThereIs(t *testing.T) {
	t.Parallel()
	for _, format := range []export.Format{export.SPDX, export.SPDXTagValue} {
		doc := decodeSPDX(t, format, small())
		at := slices.IndexFunc(doc.Packages, func(p *spdx.Package) bool { return p.PackageName == "libssl1.1" })
		if at < 0 {
			t.Fatal("there is no libssl1.1")
		}
		ssl, p := doc.Packages[at], libssl()
		if ssl.PackageVersion != p.Version || ssl.PackageExternalReferences[0].Locator != p.PURL() || ssl.PackageLicenseConcluded != "NOASSERTION" ||
			ssl.PackageSourceInfo != "found in var/lib/dpkg/status of layer "+layer+", built from openssl 1.1.1d-0+deb10u6" {
			t.Errorf("package %+v", ssl)
		}
		if a := doc.Annotations[0]; a.AnnotationComment != "The list of packages is not complete: not read: opt/app.whl: not a zip archive" || a.Annotator.Annotator != "runecast" {
			t.Errorf("annotation %+v", a)
		}
	}
}
