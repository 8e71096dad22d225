package image

// Image is a resolved image of one platform. It is immutable.
type Image struct {
	Reference  string  // as asked for
	Repository string  // where it was found, of which the reference is a short form: index.docker.io/library/nginx
	Digest     string  // of the platform's manifest: sha256:…
	Index      string  // digest of the index that the reference named; empty where it named the manifest itself
	Platform   string  // os/arch[/variant] as the image's configuration says
	Layers     []Layer // lowest first
	Access     string  // fingerprint of the credentials of the caller that may be used; empty: none but those of the server

	login *login // to open layers with
}

// Layer is one layer as the manifest describes it.
type Layer struct {
	Digest    string // sha256:…
	MediaType string
	Size      int64 // bytes, compressed
	TOC       *TOC  // where its table of contents is; nil: it has none
}

// Size is the number of bytes of all layers, compressed.
func (i *Image) Size() int64 {
	var total int64
	for _, l := range i.Layers {
		total += l.Size
	}
	return total
}
