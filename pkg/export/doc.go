// Package export writes what a scan found in the formats that other tools read.
//
// A bill of materials lists what an image contains: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), which may carry the
// vulnerabilities too, and SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), which does not. SARIF 2.1.0
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html) lists the findings for code hosts and editors.
//
// The same Document gives the same bytes: times come from the caller, ids are derived from the image's digest and the packages'
// own fields. Names in an image may be anything, so control characters and invalid UTF-8 are replaced by U+FFFD. What could not
// be read (Inventory.Unread) is always stated: as an incomplete composition, an annotation or a notification of a run that failed.
package export
