package export

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/inventory"
)

// toolName and toolURL are how outputs name their maker.
const (
	toolName = "runecast"
	toolURL  = "https://github.com/runecast/runecast"
)

// documentID is a UUID of version 5 (https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5) from a name below the tool's URL.
func documentID(name ...string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(toolURL+"/"+strings.Join(name, "/")))
}

// hashOf gives 128 bits that depend on each of the parts.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p)) // the length keeps "ab","c" from being "a","bc"
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// packageID names a package by what it is and where it lies: ASCII letters, digits and hyphens, valid in all formats.
func packageID(p *inventory.Package) string {
	return "package-" + hashOf(p.Type, p.Ecosystem, p.Name, p.Version, p.Source, p.SourceVersion, p.Arch, p.Path, p.Layer)
}

// packageIDs gives the ids of a list; equal packages, of which an inventory has none, are numbered.
func packageIDs(packages []inventory.Package) []string {
	ids := make([]string, len(packages))
	seen := make(map[string]int, len(packages))
	for i := range packages {
		id := packageID(&packages[i])
		if seen[id]++; seen[id] > 1 {
			id += "-" + strconv.Itoa(seen[id])
		}
		ids[i] = id
	}
	return ids
}
