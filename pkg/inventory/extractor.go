package inventory

import (
	"context"
	"io"
)

// candidate is one file that its name or contents make worth reading.
type candidate struct {
	path string // decides how an extractor reads it
	size int64
	r    io.Reader
}

// extractor reads one kind of file. An error means that the file is not what its name says; what that means to the image is
// the caller's to decide.
type extractor interface {
	extract(ctx context.Context, c candidate) (contents, error)
}

// extractors gives an extractor for each kind that has one.
func extractors() map[fileKind]extractor {
	dpkg, python := dpkgExtractor{}, pythonExtractor{}
	return map[fileKind]extractor{
		kindDpkg: dpkg, kindDpkgPart: dpkg, kindDpkgList: listExtractor{}, kindDpkgSums: sumsExtractor{},
		kindAPK: apkExtractor{}, kindRPM: rpmExtractor{}, kindManifest: rpmManifestExtractor{}, kindNPM: npmExtractor{}, kindPython: python, kindZip: zipExtractor{python},
		kindGem: gemExtractor{}, kindComposer: composerExtractor{}, kindDotnet: dotnetExtractor{}, kindJava: javaExtractor{},
		kindOS: osReleaseExtractor{}, kindForeign: foreignExtractor{},
	}
}
