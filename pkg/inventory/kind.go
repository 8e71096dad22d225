package inventory

import (
	"path"
	"slices"
	"strings"
)

// fileKind says what a file of an image is to us. The values are part of a stored Layer.
type fileKind string

const (
	kindNone     fileKind = ""
	kindDpkg     fileKind = "dpkg"     // dpkg's database, all packages in one file
	kindDpkgPart fileKind = "dpkg.d"   // distroless: one package, or a few, in a file of its own
	kindDpkgList fileKind = "list"     // dpkg's list of the files of one package
	kindDpkgSums fileKind = "md5sums"  // distroless: the checksums of the files of one package
	kindAPK      fileKind = "apk"      // apk's database, packages and their files
	kindRPM      fileKind = "rpm"      // rpm's database, or what SQLite keeps beside it
	kindManifest fileKind = "rpmlist"  // distroless Azure Linux: what rpm would tell, without its database
	kindOS       fileKind = "os"       // os-release
	kindForeign  fileKind = "foreign"  // the database of a package manager that this version does not read
	kindNPM      fileKind = "npm"      // package.json, of a module below node_modules or unpacked anywhere
	kindPython   fileKind = "python"   // METADATA or PKG-INFO of an installed distribution
	kindZip      fileKind = "pyzip"    // .whl or .egg archive
	kindGo       fileKind = "go"       // Go binary, told by its contents and not by its name
	kindBundle   fileKind = "bundle"   // .NET program that is one file, told by its contents
	kindRust     fileKind = "rust"     // Rust binary with cargo-auditable's list, told by its contents
	kindGem      fileKind = "gem"      // RubyGems' specification of an installed gem
	kindComposer fileKind = "composer" // Composer's list of what it installed
	kindJava     fileKind = "java"     // Java archive
	kindDotnet   fileKind = "dotnet"   // deps.json of a .NET program or framework
	dpkgStatus            = "var/lib/dpkg/status"
	dpkgStatusD           = "var/lib/dpkg/status.d"
	dpkgInfo              = "var/lib/dpkg/info"
	apkInstalled          = "lib/apk/db/installed"
	apkUsrMerged          = "usr/lib/apk/db/installed"
	rpmVar                = "var/lib/rpm"
	rpmSysimage           = "usr/lib/sysimage/rpm" // https://fedoraproject.org/wiki/Changes/RelocateRPMToUsr
	rpmManifest           = "var/lib/rpmmanifest/container-manifest-2"
	rpmJournal            = "-wal" // what SQLite has not yet moved into the database
	osRelease             = "etc/os-release"
	osReleaseUsr          = "usr/lib/os-release"
)

// fixedPaths are where package managers and programs look for what tells an image's packages and distribution. What a link
// at one of them, or above one of them, leads to counts; the same names elsewhere, as in a chroot, do not.
func fixedPaths() []string {
	return []string{dpkgStatus, dpkgStatusD, dpkgInfo, apkInstalled, apkUsrMerged, rpmVar, rpmSysimage, rpmManifest, osRelease, osReleaseUsr}
}

// fixedFiles are the files that package managers and programs look for at fixed paths, below no link.
func fixedFiles() []string {
	files := []string{dpkgStatus, apkInstalled, apkUsrMerged, rpmManifest, osRelease, osReleaseUsr}
	for _, name := range rpmNames() {
		files = append(files, path.Join(rpmVar, name), path.Join(rpmSysimage, name))
	}
	return files
}

// isDatabase tells whether a kind is a list of the distribution's packages, which must never be read in part.
func (k fileKind) isDatabase() bool {
	return k == kindDpkg || k == kindDpkgPart || k == kindAPK || k == kindRPM || k == kindManifest
}

// mustBeRead tells whether a kind is one without which an image cannot be judged: a database, or what names its distribution.
func (k fileKind) mustBeRead() bool { return k.isDatabase() || k == kindOS }

// isLanguage tells whether a kind is a language's package or program, which a distribution's package may own.
func (k fileKind) isLanguage() bool {
	switch k {
	case kindNPM, kindPython, kindZip, kindGo, kindBundle, kindRust, kindGem, kindComposer, kindDotnet, kindJava:
		return true
	default:
		return false
	}
}

// isProgram tells the kinds that are told by a file's contents and not by its name.
func (k fileKind) isProgram() bool { return k == kindGo || k == kindRust || k == kindBundle }

// classify tells from a clean path what a regular file is. Databases are recognised below any directory, because a link
// that another layer has may lead there; Merge uses those that the fixed paths reach.
func classify(p string) fileKind {
	dir, base := path.Split(p)
	dir = strings.TrimSuffix(dir, "/")
	if hasSuffixPath(dir, "dpkg/status.d") { // packages may be called anything
		return kindIf(strings.HasSuffix(base, ".md5sums"), kindDpkgSums, kindDpkgPart)
	}
	return classifyIn(dir, base)
}

// classifyIn recognises a file by its directory and its name in it.
func classifyIn(dir, base string) fileKind {
	switch base {
	case "status":
		return kindIf(hasSuffixPath(dir, "dpkg"), kindDpkg, kindIf(dir == "usr/lib/opkg" || dir == "var/lib/opkg", kindForeign, kindNone))
	case "installed":
		return kindIf(hasSuffixPath(dir, "apk/db"), kindAPK, kindNone)
	case "package.json":
		return kindNPM
	case "METADATA":
		return kindIf(strings.HasSuffix(dir, ".dist-info"), kindPython, kindNone)
	case "PKG-INFO":
		return kindIf(strings.HasSuffix(dir, "EGG-INFO") || strings.HasSuffix(dir, ".egg-info"), kindPython, kindNone)
	case "Packages", "Packages.db", "rpmdb.sqlite", "rpmdb.sqlite-wal":
		return kindIf(isRPM(dir, base), kindRPM, kindNone)
	case path.Base(rpmManifest):
		return kindIf(hasSuffixPath(dir, "rpmmanifest"), kindManifest, kindNone)
	case "ALPM_DB_VERSION":
		return kindIf(dir == "var/lib/pacman/local", kindForeign, kindNone)
	}
	switch path.Ext(base) {
	case ".egg-info", ".egg", ".whl", ".gemspec", ".json":
		return classifyLanguage(dir, base)
	case ".list":
		return kindIf(hasSuffixPath(dir, "dpkg/info"), kindDpkgList, kindNone)
	}
	if isJar(base) {
		return kindJava
	}
	return kindIf(base == "os-release" || strings.HasPrefix(base, "os-release-"), kindOS, kindNone)
}

// classifyLanguage recognises the files of languages by their extension and place.
func classifyLanguage(dir, base string) fileKind {
	switch ext := path.Ext(base); {
	case ext == ".egg-info":
		return kindPython
	case ext == ".egg" || ext == ".whl":
		return kindZip
	case base == "installed.json" && hasSuffixPath(dir, "vendor/composer"):
		return kindComposer
	case strings.HasSuffix(base, ".deps.json"):
		return kindDotnet
	case ext == ".gemspec" && (hasSuffixPath(dir, "specifications") || hasSuffixPath(dir, "specifications/default")):
		return kindGem
	}
	return kindNone
}

// isInstalled tells whether a language's file is where a tool puts those of installed packages, so that the image must have
// the package even where the file cannot be read. Elsewhere it may be anything: modules come with the damaged ones of their tests.
func isInstalled(p string, kind fileKind) bool {
	switch kind {
	case kindNPM:
		const modules = "/node_modules/"
		at := strings.LastIndex("/"+p, modules)
		if at < 0 {
			return false
		}
		name, ok := strings.CutSuffix(("/" + p)[at+len(modules):], "/package.json")
		if ok && strings.HasPrefix(name, "@") {
			_, name, ok = strings.Cut(name, "/")
		}
		return ok && name != "" && name[0] != '.' && !strings.Contains(name, "/")
	case kindZip:
		dir := path.Base(path.Dir(p))
		return dir == "site-packages" || dir == "dist-packages"
	case kindPython, kindGem, kindComposer, kindDotnet, kindJava: // anywhere, as tools install into any directory that they are given, but for what lies among tests
		return !isAmongTests(p)
	default:
		return kind.isProgram()
	}
}

// isBelowModules tells whether a path is below a node_modules, where npm and its like install.
func isBelowModules(p string) bool { return strings.Contains("/"+p, "/node_modules/") }

// isAmongTests tells whether a path is below a directory of tests, where damaged files are kept on purpose.
func isAmongTests(p string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(p), "/"), func(part string) bool {
		return part == "test" || part == "tests" || part == "testdata"
	})
}

func kindIf(yes bool, then, otherwise fileKind) fileKind {
	if yes {
		return then
	}
	return otherwise
}

// hasSuffixPath tells whether a path ends with whole components.
func hasSuffixPath(p, suffix string) bool {
	return strings.HasSuffix(p, suffix) && (len(p) == len(suffix) || p[len(p)-len(suffix)-1] == '/')
}

// isPlain tells from its extension that a file is text, a picture or an archive: nothing that is ever a program. Such files
// are not noted as replacing a lower layer's program of the same name, which keeps stored Layers small. Were one of them to
// replace a program after all, the program's packages would still be listed: too many, never too few.
func isPlain(p string) bool {
	switch path.Ext(p) {
	case ".py", ".pyc", ".pyi", ".h", ".hpp", ".c", ".cc", ".go", ".rb", ".pl", ".pm", ".js", ".mjs", ".cjs", ".ts", ".map",
		".css", ".html", ".htm", ".json", ".xml", ".yml", ".yaml", ".md", ".rst", ".txt", ".png", ".svg", ".gif", ".jpg",
		".ttf", ".woff", ".woff2", ".gz", ".xz", ".mo", ".po", ".class", ".jar", ".conf", ".list", ".md5sums":
		return true
	}
	return false
}
