package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// findingsFormat is the first byte of a document of findings, and goes up with every change of its form.
const findingsFormat = 1

// uncertainBit says beside a severity that the match is not certain.
const uncertainBit = 1 << 7

// errFindings says that a document of findings cannot be read.
var errFindings = errors.New("the stored findings are damaged")

// indexed is a finding of an image as the index keeps it.
type indexed struct {
	vulnerability                       int64
	severity                            advisory.Severity
	uncertain                           bool
	ecosystem, packages, version, fixed string
}

func compareIndexed(a, b *indexed) int {
	return cmp.Or(cmp.Compare(a.vulnerability, b.vulnerability), strings.Compare(a.packages, b.packages), strings.Compare(a.version, b.version),
		strings.Compare(a.ecosystem, b.ecosystem), strings.Compare(a.fixed, b.fixed), cmp.Compare(a.severity, b.severity))
}

// packFindings writes findings, in order and each once: numbers as varints, vulnerabilities as what they are more than the one before,
// texts with their lengths.
func packFindings(list []indexed) []byte {
	order := make([]*indexed, len(list))
	for i := range list {
		order[i] = &list[i]
	}
	slices.SortFunc(order, compareIndexed)
	order = slices.CompactFunc(order, func(a, b *indexed) bool { return compareIndexed(a, b) == 0 })
	out := binary.AppendUvarint([]byte{findingsFormat}, uint64(len(order)))
	last := int64(0)
	for _, f := range order {
		out = binary.AppendUvarint(out, uint64(f.vulnerability-last)) //nolint:gosec // they ascend
		last = f.vulnerability
		flags := byte(f.severity)
		if f.uncertain {
			flags |= uncertainBit
		}
		out = append(out, flags)
		for _, text := range []string{f.ecosystem, f.packages, f.version, f.fixed} {
			out = binary.AppendUvarint(out, uint64(len(text)))
			out = append(out, text...)
		}
	}
	return out
}

// eachFinding reads what packFindings wrote. The texts are made where want is nil or tells that it wants the vulnerability's.
func eachFinding(packed []byte, want func(int64) bool, fn func(*indexed)) error {
	if len(packed) == 0 || packed[0] != findingsFormat {
		return fmt.Errorf("%w: they have another form", errFindings)
	}
	r := bytes.NewBuffer(packed[1:])
	count, err := binary.ReadUvarint(r)
	if err != nil {
		return errFindings
	}
	last := int64(0)
	for range count {
		more, err := binary.ReadUvarint(r)
		if err != nil {
			return errFindings
		}
		flags, err := r.ReadByte()
		if err != nil {
			return errFindings
		}
		last += int64(more) //nolint:gosec // it was written from one
		f := indexed{vulnerability: last, severity: advisory.Severity(flags &^ uncertainBit), uncertain: flags&uncertainBit != 0}
		wanted := want == nil || want(last)
		for _, text := range []*string{&f.ecosystem, &f.packages, &f.version, &f.fixed} {
			length, err := binary.ReadUvarint(r)
			if err != nil || length > uint64(r.Len()) { //nolint:gosec // it is not negative
				return errFindings
			}
			if part := r.Next(int(length)); wanted { //nolint:gosec // it is no more than there is
				*text = string(part)
			}
		}
		if wanted {
			fn(&f)
		}
	}
	if r.Len() != 0 {
		return errFindings
	}
	return nil
}

// summed is what counts of an image's findings of one vulnerability.
type summed struct {
	severity advisory.Severity
	fixable  bool
}

func (s summed) with(f *indexed) summed {
	return summed{max(s.severity, f.severity), s.fixable || f.fixed != ""}
}
