package image

import (
	"io"
	"net/netip"

	"github.com/google/go-containerregistry/pkg/name"
)

// CheckAddress is what the default transport asks before it connects, for tests: they cannot be at such addresses.
func CheckAddress(allow []string, hostPort string, addr netip.Addr) error {
	n, err := parseNetworks(allowRegistries, allow)
	if err != nil {
		return err
	}
	return n.check(hostPort, addr)
}

// ParseReferenceForTest reads a reference, and words what is wrong with one that is none.
func ParseReferenceForTest(text string) (ref name.Reference, why string, err error) {
	if ref, err = parseReference(text); err != nil {
		return nil, whyNot(text, err), err
	}
	return ref, "", nil
}

// DecodeTOC reads a table of contents of a layer whose files end at data, and gives the number of its files and chunks.
func DecodeTOC(r io.Reader, data int64) (files, chunks int, err error) {
	found, err := decodeTOC(r, data)
	for i := range found {
		chunks += len(found[i].chunks)
	}
	return len(found), chunks, err
}

// CheckTOC is DecodeTOC with a look at what may be relied on of every table that is taken.
func CheckTOC(r io.Reader, data int64) string {
	found, err := decodeTOC(r, data)
	if err != nil {
		return ""
	}
	last, inner := int64(0), int64(0)
	for i := range found {
		var covered int64
		for _, c := range found[i].chunks {
			covered += c.size
			switch {
			case c.size <= 0 || c.inner < 0 || c.offset <= 0 || c.end > data || c.offset >= c.end:
				return "a chunk lies outside of the layer"
			case c.offset < last || c.offset == last && c.inner < inner:
				return "a chunk overlaps the one before"
			case !isSHA256(c.digest):
				return "a chunk has no digest"
			}
			last, inner = c.offset, c.inner+c.size
		}
		if covered != found[i].size {
			return "a file is not covered"
		}
	}
	return ""
}

// ParseHosts reads a hosts.toml and tells how many hosts it has.
func ParseHosts(name string, content []byte) (int, error) {
	hosts, _, err := parseHostsFile(name, content, "https://registry.example")
	return len(hosts), err
}

// ParseFooter reads an eStargz footer.
func ParseFooter(b []byte) (int64, error) { return parseFooter(b) }
