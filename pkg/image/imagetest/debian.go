package imagetest

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DpkgStatusPath is the path of dpkg's list of installed packages.
const DpkgStatusPath = "var/lib/dpkg/status"

// Deb is one line of dpkg's status file.
type Deb struct {
	Name, Version         string
	Source, SourceVersion string // empty where they equal the binary package's
}

// Nginx119 has the packages of nginx:1.19 on Debian 10: libssl1.1 of openssl 1.1.1d-0+deb10u6 has CVE-2021-3711, critical and
// fixed in 1.1.1d-0+deb10u7. Three layers: the distribution, nginx, its configuration.
func Nginx119() v1.Image { return nginxImage(debs(debian10Packages), debs(nginx119Packages)) }

// Nginx119Fixed is Nginx119 with every package at a version in which Debian 10 has fixed what it knows of.
func Nginx119Fixed() v1.Image {
	return nginxImage(upgraded(debs(debian10Packages)), upgraded(debs(nginx119Packages)))
}

// TwoLayer is a Debian 10 image whose second layer removes what is vulnerable in the first: libssl1.1 and openssl from dpkg's
// status file, which it rewrites, and the npm package jquery 3.4.1 by a whiteout.
func TwoLayer() v1.Image {
	base := upgraded(debs(debian10Packages))
	vulnerable := []Deb{
		{Name: "libssl1.1", Version: "1.1.1d-0+deb10u6", Source: "openssl"}, {Name: "openssl", Version: "1.1.1d-0+deb10u6"},
	}
	const jquery = "srv/app/node_modules/jquery"
	return Image(
		Layer(append(debianFiles(),
			Text(DpkgStatusPath, DpkgStatus(slices.Concat(base, vulnerable)...)),
			Text(jquery+"/package.json", `{"name": "jquery", "version": "3.4.1", "license": "MIT"}`))...),
		Layer(Text(DpkgStatusPath, DpkgStatus(base...)), Delete(jquery)),
	)
}

// Nginx119Packages lists the packages of Nginx119.
func Nginx119Packages() []Deb { return slices.Concat(debs(debian10Packages), debs(nginx119Packages)) }

// Nginx119FixedPackages lists the packages of Nginx119Fixed.
func Nginx119FixedPackages() []Deb { return upgraded(Nginx119Packages()) }

// DpkgStatus writes dpkg's status file (https://www.debian.org/doc/debian-policy/ch-controlfields.html).
func DpkgStatus(packages ...Deb) string {
	var out strings.Builder
	for _, d := range packages {
		arch := "amd64"
		if strings.HasSuffix(d.Name, "-common") || strings.HasSuffix(d.Name, "-data") {
			arch = "all"
		}
		fmt.Fprintf(&out, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 100\n", d.Name)
		fmt.Fprintf(&out, "Maintainer: Debian Maintainers <nobody@example.org>\nArchitecture: %s\n", arch)
		switch {
		case d.SourceVersion != "":
			fmt.Fprintf(&out, "Source: %s (%s)\n", d.Source, d.SourceVersion)
		case d.Source != "":
			fmt.Fprintf(&out, "Source: %s\n", d.Source)
		}
		fmt.Fprintf(&out, "Version: %s\nDescription: %s\n a package of a test image\n\n", d.Version, d.Name)
	}
	return out.String()
}

func nginxImage(base, added []Deb) v1.Image {
	return Image(
		Layer(append(debianFiles(), Text(DpkgStatusPath, DpkgStatus(base...)))...),
		Layer(
			Text(DpkgStatusPath, DpkgStatus(slices.Concat(base, added)...)),
			Executable("usr/sbin/nginx", []byte("#!/bin/sh\nexec true\n")),
			Text("etc/nginx/nginx.conf", "events {}\nhttp {}\n"),
		),
		Layer(Executable("docker-entrypoint.sh", []byte("#!/bin/sh\nexec \"$@\"\n"))),
	)
}

func debianFiles() []File {
	return []File{
		Dir("etc"), Dir("usr"), Dir("usr/lib"), Dir("var"), Dir("var/lib"), Dir("var/lib/dpkg"),
		Symlink("etc/os-release", "../usr/lib/os-release"),
		Text("usr/lib/os-release", `PRETTY_NAME="Debian GNU/Linux 10 (buster)"
NAME="Debian GNU/Linux"
VERSION_ID="10"
VERSION="10 (buster)"
VERSION_CODENAME=buster
ID=debian
`),
		Text("etc/debian_version", "10.9\n"),
	}
}

// debs reads lines of "name version [source [source version]]".
func debs(lines string) []Deb {
	var out []Deb
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		fields := append(strings.Fields(line), "", "")
		out = append(out, Deb{Name: fields[0], Version: fields[1], Source: fields[2], SourceVersion: fields[3]})
	}
	return out
}

// upgraded gives the packages at the versions of nginx119Fixes.
func upgraded(packages []Deb) []Deb {
	fixes := map[string]string{}
	for _, fix := range debs(nginx119Fixes) {
		fixes[fix.Name] = fix.Version
	}
	out := slices.Clone(packages)
	for i, d := range out {
		source := d.Source
		if source == "" {
			source = d.Name
		}
		if fixed, ok := fixes[source]; ok {
			out[i].Version, out[i].SourceVersion = fixed, ""
		}
	}
	return out
}
