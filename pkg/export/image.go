package export

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/package-url/packageurl-go"
)

// repository gives the repository's full name, with its registry, and the tag; a reference that cannot be read is the name.
func (i *Image) repository() (repository, tag string) {
	ref, err := name.ParseReference(i.Reference)
	if err != nil {
		return orText(clean(i.Reference), "image"), ""
	}
	if tagged, ok := ref.(name.Tag); ok {
		tag = tagged.TagStr()
	}
	repository = ref.Context().Name()
	return strings.Replace(repository, name.DefaultRegistry+"/", "docker.io/", 1), tag
}

// purl is the image's package URL of type oci
// (https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md): the last part of the repository's name, the
// digest as version.
func (i *Image) purl() string {
	repository, tag := i.repository()
	short := strings.ToLower(repository[strings.LastIndexByte(repository, '/')+1:])
	var qualifiers packageurl.Qualifiers
	add := func(key, value string) {
		if value != "" {
			qualifiers = append(qualifiers, packageurl.Qualifier{Key: key, Value: value})
		}
	}
	parts := strings.Split(i.Platform, "/")
	if len(parts) > 1 {
		add("arch", clean(parts[1]))
	}
	add("repository_url", repository)
	add("tag", tag)
	return packageurl.NewPackageURL(packageurl.TypeOCI, "", short, i.Digest, qualifiers, "").ToString()
}
