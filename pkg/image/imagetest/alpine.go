package imagetest

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// APKInstalledPath is the path of apk's list of installed packages.
const APKInstalledPath = "lib/apk/db/installed"

// APK is one entry of apk's list.
type APK struct {
	Name, Version string
	Origin        string // the source package
}

// Alpine has packages of Alpine 3.8.0 with curl 7.60.0-r1, which has CVE-2018-0500 (critical, fixed in 7.61.0-r0).
func Alpine() v1.Image {
	return Image(Layer(
		Text("etc/os-release", `NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.8.0
PRETTY_NAME="Alpine Linux v3.8"
HOME_URL="http://alpinelinux.org"
`),
		Text("etc/alpine-release", "3.8.0\n"),
		Text(APKInstalledPath, APKInstalled(AlpinePackages()...)),
	))
}

// AlpinePackages lists the packages of Alpine.
func AlpinePackages() []APK {
	return []APK{
		{"musl", "1.1.19-r10", "musl"},
		{"busybox", "1.28.4-r0", "busybox"},
		{"alpine-baselayout", "3.1.0-r0", "alpine-baselayout"},
		{"alpine-keys", "2.1-r1", "alpine-keys"},
		{"libressl2.7-libcrypto", "2.7.4-r0", "libressl"},
		{"libressl2.7-libssl", "2.7.4-r0", "libressl"},
		{"libressl2.7-libtls", "2.7.4-r0", "libressl"},
		{"ssl_client", "1.28.4-r0", "busybox"},
		{"zlib", "1.2.11-r1", "zlib"},
		{"apk-tools", "2.10.0-r0", "apk-tools"},
		{"scanelf", "1.2.3-r0", "pax-utils"},
		{"musl-utils", "1.1.19-r10", "musl"},
		{"libc-utils", "0.7.1-r0", "libc-dev"},
		{"ca-certificates", "20171114-r3", "ca-certificates"},
		{"nghttp2-libs", "1.32.0-r0", "nghttp2"},
		{"libssh2", "1.8.0-r3", "libssh2"},
		{"libcurl", "7.60.0-r1", "curl"},
		{"curl", "7.60.0-r1", "curl"},
	}
}

// APKInstalled writes apk's list of installed packages (https://wiki.alpinelinux.org/wiki/Apk_spec).
func APKInstalled(packages ...APK) string {
	var out strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&out, "P:%s\nV:%s\nA:x86_64\nS:1000\nI:4096\nT:%s\nU:https://example.org\nL:MIT\no:%s\nm:Nobody <nobody@example.org>\n\n",
			p.Name, p.Version, p.Name, p.Origin)
	}
	return out.String()
}
