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

// parsePlatform reads os/arch[/variant] and gives it in the words that indexes use.
func parsePlatform(text string) (v1.Platform, error) {
	if text == "" {
		text = defaultPlatform
	}
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return v1.Platform{}, fmt.Errorf("platform %q is not os/arch[/variant]", redact(text))
	}
	p := v1.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return normal(p), nil
}

// normal replaces other spellings of architectures and makes default variants empty (amd64/v1, arm64/v8) or explicit (arm is
// arm/v7), as containerd does.
func normal(p v1.Platform) v1.Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "i386":
		p.Architecture = "386"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	if p.Variant != "" && !strings.HasPrefix(p.Variant, "v") {
		p.Variant = "v" + p.Variant
	}
	switch {
	case p.Architecture == "amd64" && p.Variant == "v1", p.Architecture == "arm64" && p.Variant == "v8":
		p.Variant = ""
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	}
	return p
}

func platformText(p v1.Platform) string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

// isAttestation tells whether a manifest of an index is no image for any machine.
func isAttestation(d v1.Descriptor) bool {
	if d.Annotations[attestationType] != "" {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// choose finds the manifest of an index that a node of the wanted platform would run: the same variant, else the highest lower one, else
// the first of that architecture, because a node may be newer than the name of its platform says. Without a match it gives
// the platforms that there are.
func choose(manifests []v1.Descriptor, want v1.Platform) (chosen *v1.Descriptor, have []string) {
	rank := 0
	for i, d := range manifests {
		if isAttestation(d) || d.Platform == nil {
			continue
		}
		got := normal(*d.Platform)
		have = append(have, platformText(got))
		if got.OS != want.OS || got.Architecture != want.Architecture {
			continue
		}
		if r := variantRank(got.Variant, want.Variant); r > rank {
			rank, chosen = r, &manifests[i]
		}
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
