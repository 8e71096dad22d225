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
	maxFollowed  = 4 << 20  // parts of paths that are resolved for entries below symbolic links of the same layer
	maxHardLinks = 16 << 20 // bytes of hard links that are remembered during a scan, with inodeSize for each
	maxManifest  = 16 << 20 // package.json
	maxHeader    = 16 << 20 // METADATA or PKG-INFO: as far as its header is looked for
	maxZipEnd    = 4 << 20  // of either end of a wheel or egg, to find its metadata in
	maxOSRelease = 64 << 10 // os-release
	maxModInfo   = 16 << 20 // module information of a Go binary
	maxPath      = 4096     // an entry's name and a link's target; PATH_MAX of Linux
	maxCleared   = 32 << 20 // files and links that are looked through for those below entries which replace directories
	maxWarnings  = 50       // warnings of one layer
	inodeSize    = 64       // bytes that a hard link takes besides its path, about
	pointerSize  = 256      // bytes that a Go program of before Go 1.18 takes until it is read again, about

	maxManifestDepth = 10_000   // lists and objects within each other in a package.json, as package json allows
	maxManifestField = 64 << 10 // one field of a package.json that is kept
	maxGemspec       = 4 << 20  // gem specification: as far as its name and version are looked for
	maxGemField      = 4 << 10  // name and version of a gem
	maxPythonField   = 4 << 10  // name or version of a Python distribution, with its key
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
