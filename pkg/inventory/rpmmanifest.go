package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// rpmManifestExtractor reads the list that distroless images of Azure Linux have in the place of rpm's database: a line for each
// package, with ten fields between tabs, which rpm writes by %{NAME}, %{VERSION}-%{RELEASE}, %{INSTALLTIME}, %{BUILDTIME}, %{VENDOR}, %{EPOCH},
// %{SIZE}, %{ARCH}, %{EPOCHNUM} and %{SOURCERPM}. container-manifest-1 beside it has the same packages in fewer words
// (.NET's images tell of it in https://github.com/dotnet/dotnet-docker/tree/main/documentation).
//
// It does not say which files are a package's. A line of another form, and a list that is empty or cut short, are errors.
type rpmManifestExtractor struct{}

const rpmManifestFields = 10

func (rpmManifestExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	var out installedList
	lines := newLineReader(c.r, c.size)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && lines.cut {
			err = fmt.Errorf("line %d is longer than %d bytes", lines.number, maxLine)
		}
		if err == nil && len(line) > 0 {
			err = rpmManifestLine(string(line), lines.number, &out)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return contents{}, err
		}
	}
	if !lines.ended {
		return contents{}, fmt.Errorf("it is cut short in line %d", lines.number)
	}
	if len(out.found) == 0 {
		return contents{}, errors.New("it lists no package")
	}
	return contents{Packages: out.found}, nil
}

// rpmManifestLine reads the line of one package.
func rpmManifestLine(line string, number int, out *installedList) error {
	fields := strings.Split(line, "\t")
	if len(fields) != rpmManifestFields {
		return fmt.Errorf("line %d has %d fields, not %d: %.100q", number, len(fields), rpmManifestFields, line)
	}
	if fields[0] == "gpg-pubkey" { // a key that signs packages, kept as if it were one
		return nil
	}
	epoch, err := strconv.ParseUint(fields[8], 10, 32)
	if err != nil {
		return fmt.Errorf("line %d has a bad epoch: %.100q", number, fields[8])
	}
	version, release := fields[1], ""
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version, release = version[:i], version[i+1:]
	}
	f, err := rpmFound(fields[0], version, release, fields[9], uint32(epoch))
	if err != nil {
		return fmt.Errorf("line %d: %w", number, err)
	}
	f.Arch = fields[7]
	return out.add(f)
}
