package inventory

// Options are the limits of reading a layer; zero values mean the defaults. What goes over one is an *Error of KindTooLarge.
type Options struct {
	MaxFiles int   // entries in the tar stream; default 1,000,000
	MaxBytes int64 // uncompressed bytes of the whole layer; default 32 GiB
	MaxFile  int64 // bytes of one package database; default 256 MiB. Other files have fixed bounds of their own, see the package's comment
}

// Bounds that are not options, because no honest file comes near them.
const (
	maxResult    = 64 << 20 // bytes that a layer may contribute: paths, package names, path hashes
	maxLinks     = 4 << 20  // bytes of symbolic links that are remembered during a scan
	maxManifest  = 1 << 20  // package.json, and the header of METADATA or PKG-INFO
	maxZipTail   = 4 << 20  // end of a wheel or egg that is kept to find its metadata in
	maxOSRelease = 64 << 10 // os-release
	maxModInfo   = 16 << 20 // module information of a Go binary
	maxWarnings  = 50       // warnings of one layer
)

func (o Options) withDefaults() Options {
	if o.MaxFiles <= 0 {
		o.MaxFiles = 1_000_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 32 << 30
	}
	if o.MaxFile <= 0 {
		o.MaxFile = 256 << 20
	}
	return o
}
