package image

import (
	"errors"
	"fmt"
	"strings"
)

// Words of the setting layerToc beside registries.
const (
	tocOff = "off"
	tocAll = "all"
)

// TOCTrust is whose layers are read by their tables of contents. The zero value: nobody's.
type TOCTrust struct {
	all   bool
	under []string // registry, or registry and the start of a repository's path
}

// ParseTOCTrust reads the setting layerToc: "off", which is the default, "all", or registries, each with as much of the path of
// their repositories as shall be trusted (registry.example/shop).
func ParseTOCTrust(words []string) (TOCTrust, error) {
	var t TOCTrust
	var errs []error
	for _, word := range words {
		word = strings.TrimSuffix(strings.TrimSpace(word), "/")
		host, path, _ := strings.Cut(word, "/")
		switch {
		case (word == tocOff || word == tocAll) && len(words) > 1:
			errs = append(errs, fmt.Errorf("layerToc: %q stands alone", word))
		case word == tocOff:
		case word == tocAll:
			t.all = true
		case strings.ContainsAny(word, " *@") || !strings.ContainsAny(host, ".:") && host != "localhost":
			errs = append(errs, fmt.Errorf("layerToc: %q is neither off, all, nor a registry such as registry.example or registry.example/shop", word))
		default:
			if host == "docker.io" {
				host = "index.docker.io" // as Image.Repository has it
			}
			t.under = append(t.under, strings.TrimSuffix(strings.ToLower(host)+"/"+path, "/"))
		}
	}
	return t, errors.Join(errs...)
}

// Covers tells whether the layers of an Image.Repository are.
func (t TOCTrust) Covers(repository string) bool {
	if t.all {
		return true
	}
	for _, under := range t.under {
		if repository == under || strings.HasPrefix(repository, under+"/") {
			return true
		}
	}
	return false
}
