package image

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const defaultPlatform = "linux/amd64"

// attestationType marks manifests that docker buildx stores beside images: statements about them, nothing that runs
// (https://docs.docker.com/build/metadata/attestations/attestation-storage/).
const attestationType = "vnd.docker.reference.type"

// machine is a platform in the words that indexes use.
type machine struct{ os, arch, variant string }

// String writes os/arch[/variant].
func (m machine) String() string {
	text := m.os + "/" + m.arch
	if m.variant != "" {
		text += "/" + m.variant
	}
	return text
}

// parsePlatform reads os/arch[/variant] and gives it in the words that indexes use.
func parsePlatform(text string) (machine, error) {
	if text == "" {
		text = defaultPlatform
	}
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return machine{}, fmt.Errorf("platform %q is not os/arch[/variant]", redact(text))
	}
	parts = append(parts, "")
	return normal(machine{parts[0], parts[1], parts[2]}), nil
}

// normal replaces other spellings of architectures and makes default variants empty (amd64/v1, arm64/v8) or explicit (arm is
// arm/v7), as containerd does.
func normal(m machine) machine {
	m.os, m.arch, m.variant = strings.ToLower(m.os), strings.ToLower(m.arch), strings.ToLower(m.variant)
	switch m.arch {
	case "x86_64", "x86-64":
		m.arch = "amd64"
	case "aarch64":
		m.arch = "arm64"
	case "i386":
		m.arch = "386"
	case "armhf":
		m.arch, m.variant = "arm", "v7"
	case "armel":
		m.arch, m.variant = "arm", "v6"
	}
	if m.variant != "" && !strings.HasPrefix(m.variant, "v") {
		m.variant = "v" + m.variant
	}
	switch {
	case m.arch == "amd64" && m.variant == "v1", m.arch == "arm64" && m.variant == "v8":
		m.variant = ""
	case m.arch == "arm" && m.variant == "":
		m.variant = "v7"
	}
	return m
}

// isAttestation tells whether a manifest of an index is no image for any machine.
func isAttestation(d *v1.Descriptor) bool {
	if d.Annotations[attestationType] != "" {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// fallback is the architecture that a node runs where an image lacks its own, as containerd's platforms package has it: a 64-bit
// ARM or x86 processor runs the 32-bit programs of its family. Windows does so in no container, and containerd asks it for none.
func fallback(m machine) (machine, bool) {
	switch {
	case m.os == "windows":
		return machine{}, false
	case m.arch == "amd64":
		return machine{m.os, "386", ""}, true
	case m.arch == "arm64":
		return machine{m.os, "arm", "v8"}, true
	default:
		return machine{}, false
	}
}

// choose finds the manifest of an index that a node of the wanted platform would run: the same variant, else the highest lower one, else
// the first of that architecture, because a node may be newer than the name of its platform says, else that of the architecture to
// fall back to. Without a match it gives the platforms that there are.
func choose(manifests []v1.Descriptor, want machine) (chosen *v1.Descriptor, have []string) {
	rank := 0
	for i := range manifests {
		d := &manifests[i]
		if isAttestation(d) || d.Platform == nil {
			continue
		}
		got := normal(machine{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant})
		have = append(have, got.String())
		if got.os != want.os || got.arch != want.arch {
			continue
		}
		if r := variantRank(got.variant, want.variant); r > rank {
			rank, chosen = r, d
		}
	}
	if other, ok := fallback(want); chosen == nil && ok {
		return choose(manifests, other)
	}
	slices.Sort(have)
	return chosen, slices.Compact(have)
}

// variantRank orders variants of one architecture by how well they suit; 1 is the least.
func variantRank(got, want string) int {
	const exact, lower = 1000, 2
	g, w := variantNumber(got), variantNumber(want)
	switch {
	case got == want:
		return exact
	case g <= w:
		return lower + g
	default:
		return 1
	}
}

// variantNumber is 7 for v7, 0 for the default and 0 for what is no number.
func variantNumber(variant string) int {
	n := 0
	if _, err := fmt.Sscanf(variant, "v%d", &n); err != nil || n < 0 || n > 99 {
		return 0
	}
	return n
}
