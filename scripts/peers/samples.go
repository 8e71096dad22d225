package main

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// The images that findings are compared on beside those that are measured. They are small and written here: each has what package
// managers leave where they install releases with known vulnerabilities.
const (
	languages  = "languages"  // no distribution, packages of all languages
	alpine     = "alpine"     // apk's database, and Python packages in and outside of it
	distroless = "distroless" // dpkg's database in parts
	modules    = "modules"    // a Go program with old modules, by an old Go
	changed    = "changed"    // a layer that deletes, replaces and upgrades what the layers below it have
)

// samples are the layers of those images by name.
func samples(program string) map[string]func(*packer) error {
	return map[string]func(*packer) error{
		languages: languagesLayer, alpine: alpineLayer, distroless: distrolessLayer, changed: changedLayer,
		modules: func(p *packer) error { return modulesLayer(p, program) },
	}
}

func (p *packer) writeAll(files map[string]string) error {
	for _, path := range sorted(files) {
		if err := p.write(path, files[path], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// languagesLayer has packages in every form that language package managers install them in.
func languagesLayer(p *packer) error {
	files := map[string]string{
		"app/package-lock.json":                                            `{"name": "app", "version": "1.0.0", "lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "4.17.4"}}}`,
		"app/package.json":                                                 npmPackage("app", "1.0.0"),
		"app/node_modules/lodash/package.json":                             npmPackage("lodash", "4.17.4"),
		"app/node_modules/a/package.json":                                  npmPackage("a", "1.0.0"),
		"app/node_modules/a/node_modules/ws/package.json":                  npmPackage("ws", "1.0.0"),
		"app/node_modules/@hapi/hoek/package.json":                         npmPackage("@hapi/hoek", "8.5.0"),
		"app/node_modules/jquery/test/package.json":                        npmPackage("jquery", "1.8.0"),
		"app/bower_components/jquery/package.json":                         npmPackage("jquery", "2.1.0"),
		"app/requirements.txt":                                             "Django==3.2.1\n",
		"app/Gemfile.lock":                                                 "GEM\n  remote: https://rubygems.org/\n  specs:\n    rack (2.0.1)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack\n",
		"usr/lib/python3.11/site-packages/Django-3.2.1.egg-info/PKG-INFO":  "Metadata-Version: 1.2\nName: Django\nVersion: 3.2.1\n",
		"usr/lib/python3.11/site-packages/requests-2.19.0-py3.11.egg-info": "Metadata-Version: 1.2\nName: requests\nVersion: 2.19.0\n",
		"usr/lib/python3.11/site-packages/Jinja2-2.10.dist-info/METADATA":  "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n",
		"usr/lib/python3.11/site-packages/Jinja2-2.10.dist-info/RECORD":    "Jinja2-2.10.dist-info/METADATA,,\n",
		"usr/share/php/vendor/composer/installed.json":                     `[{"name": "twig/twig", "version": "v2.14.0", "version_normalized": "2.14.0.0", "type": "library"}]`,
		"srv/www/vendor/composer/installed.json":                           `{"packages": [{"name": "guzzlehttp/psr7", "version": "1.8.3", "type": "library"}, {"name": "phpmailer/phpmailer", "version": "5.2.17", "type": "library"}], "dev": false, "dev-package-names": []}`,
		"opt/net/app.deps.json": `{"runtimeTarget": {"name": ".NETCoreApp,Version=v6.0", "signature": ""}, "targets": {".NETCoreApp,Version=v6.0": {"app/1.0.0": {"dependencies": {"Newtonsoft.Json": "12.0.3", "System.Text.Encodings.Web": "4.7.1"}, "runtime": {"app.dll": {}}}, ` +
			`"Newtonsoft.Json/12.0.3": {"runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {"assemblyVersion": "12.0.0.0", "fileVersion": "12.0.3.23909"}}}, "System.Text.Encodings.Web/4.7.1": {"runtime": {"lib/netstandard2.1/System.Text.Encodings.Web.dll": {}}}, "System.Net.Http/4.3.0": {"runtime": {"lib/System.Net.Http.dll": {}}}}}, ` +
			`"libraries": {"app/1.0.0": {"type": "project", "serviceable": false, "sha512": ""}, "Newtonsoft.Json/12.0.3": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "newtonsoft.json/12.0.3"}, "System.Text.Encodings.Web/4.7.1": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "system.text.encodings.web/4.7.1"}, "System.Net.Http/4.3.0": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "system.net.http/4.3.0"}}}`,
	}
	for gem, at := range map[string]string{"rack 2.0.1": "specifications/", "nokogiri 1.8.0 x86_64-linux": "specifications/", "json 2.2.0": "specifications/default/"} {
		of := strings.Fields(gem)
		files["usr/local/lib/ruby/gems/3.1.0/"+at+strings.Join(of, "-")+".gemspec"] = gemspec(of[0], of[1])
	}
	jars, err := javaArchives()
	if err != nil {
		return err
	}
	maps.Copy(files, jars)
	wheel, err := zipOf(map[string]string{"Pillow-9.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Pillow\nVersion: 9.0.0\n"})
	files["usr/lib/python3.11/site-packages/Pillow-9.0.0-py3-none-any.whl"] = wheel
	return errors.Join(err, p.writeAll(files))
}

func gemspec(name, version string) string {
	return fmt.Sprintf("# -*- encoding: utf-8 -*-\n# stub: %[1]s %[2]s ruby lib\n\nGem::Specification.new do |s|\n  s.name = %[1]q.freeze\n  s.version = %[2]q\n  s.require_paths = [\"lib\".freeze]\n  s.summary = \"a gem\".freeze\nend\n", name, version)
}

// javaArchives gives archives that Maven made, one that tells of itself in its name alone, one with others in it, and one into which
// several were put together.
func javaArchives() (map[string]string, error) {
	log4j, err := zipOf(jarFiles("org.apache.logging.log4j", "log4j-core", "2.14.1"))
	if err != nil {
		return nil, err
	}
	text, err := zipOf(jarFiles("org.apache.commons", "commons-text", "1.9"))
	if err != nil {
		return nil, err
	}
	shaded := jarFiles("com.example", "shaded", "1.0")
	for path, body := range jarFiles("com.fasterxml.jackson.core", "jackson-databind", "2.12.1") {
		if strings.HasSuffix(path, "pom.properties") {
			shaded[path] = body
		}
	}
	all := map[string]map[string]string{
		"opt/java/shaded-1.0.jar":     shaded,
		"opt/java/app.war":            {"WEB-INF/lib/log4j-core-2.14.1.jar": log4j, "WEB-INF/lib/commons-text-1.9.jar": text, "WEB-INF/classes/A.class": "\xca\xfe\xba\xbe"},
		"opt/java/snakeyaml-1.33.jar": {"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\nBundle-SymbolicName: org.yaml.snakeyaml\nBundle-Version: 1.33.0\nImplementation-Title: snakeyaml\n", "A.class": "\xca\xfe\xba\xbe"},
	}
	archives := map[string]string{"opt/java/log4j-core-2.14.1.jar": log4j}
	for path, files := range all {
		if archives[path], err = zipOf(files); err != nil {
			return nil, err
		}
	}
	return archives, nil
}

func jarFiles(group, artifact, version string) map[string]string {
	return map[string]string{
		"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\nImplementation-Title: " + artifact + "\nImplementation-Version: " + version + "\n",
		"META-INF/maven/" + group + "/" + artifact + "/pom.properties": "groupId=" + group + "\nartifactId=" + artifact + "\nversion=" + version + "\n",
		strings.ReplaceAll(group, ".", "/") + "/A.class":               "\xca\xfe\xba\xbe",
	}
}

func zipOf(files map[string]string) (string, error) {
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for _, path := range sorted(files) {
		w, err := archive.Create(path)
		if err != nil {
			return "", err
		}
		if _, err := w.Write([]byte(files[path])); err != nil {
			return "", err
		}
	}
	err := archive.Close()
	return b.String(), err
}

// alpineLayer has the database of Alpine 3.11, of which the data knows vulnerabilities, with packages that are built from others'
// sources, a Python package that belongs to one of them, and one that pip put beside it.
func alpineLayer(p *packer) error {
	var db strings.Builder
	for _, of := range [][3]string{
		{"musl", "1.1.24-r0", "musl"},
		{"busybox", "1.31.1-r8", "busybox"},
		{"ssl_client", "1.31.1-r8", "busybox"},
		{"libcrypto1.1", "1.1.1d-r2", "openssl"},
		{"libssl1.1", "1.1.1d-r2", "openssl"},
		{"libcurl", "7.67.0-r0", "curl"},
		{"curl", "7.67.0-r0", "curl"},
		{"sqlite-libs", "3.30.1-r0", "sqlite"},
		{"nodejs", "12.14.0-r0", "nodejs"},
		{"python3", "3.8.1-r0", "python3"},
		{"git", "2.24.0-r0", "git"},
		{"libxml2", "2.9.10-r1", "libxml2"},
	} {
		fmt.Fprintf(&db, "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:%s\nV:%s\nA:x86_64\nS:1\nI:1\nT:a package\nU:https://example.com\nL:MIT\no:%s\nm:a <a@example.com>\nt:1580000000\nc:0000000000000000000000000000000000000000\n\n", of[0], of[1], of[2])
	}
	db.WriteString("C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:py3-yaml\nV:5.1.2-r1\nA:x86_64\nS:1\nI:1\nT:YAML\nU:https://example.com\nL:MIT\no:py3-yaml\nm:a <a@example.com>\nt:1580000000\nc:0000000000000000000000000000000000000000\n" +
		"F:usr/lib/python3.8/site-packages/PyYAML-5.1.2-py3.8.egg-info\nR:PKG-INFO\n\n")
	return p.writeAll(map[string]string{
		"etc/os-release":       "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.11.3\nPRETTY_NAME=\"Alpine Linux v3.11\"\n",
		"lib/apk/db/installed": db.String(),
		"usr/lib/python3.8/site-packages/PyYAML-5.1.2-py3.8.egg-info/PKG-INFO": "Metadata-Version: 1.1\nName: PyYAML\nVersion: 5.1.2\n",
		"usr/lib/python3.8/site-packages/requests-2.19.0.dist-info/METADATA":   "Metadata-Version: 2.1\nName: requests\nVersion: 2.19.0\n",
	})
}

// distrolessLayer has dpkg's database as Bazel rules for distroless images write it, one file for each package.
func distrolessLayer(p *packer) error {
	files := map[string]string{"etc/os-release": "PRETTY_NAME=\"Distroless\"\nNAME=\"Debian GNU/Linux\"\nID=\"debian\"\nVERSION_ID=\"11\"\nVERSION=\"Debian GNU/Linux 11 (bullseye)\"\n"}
	for _, of := range [][3]string{
		{"base-files", "11.1+deb11u7", ""},
		{"libc6", "2.31-13+deb11u3", "glibc"},
		{"libssl1.1", "1.1.1n-0+deb11u3", "openssl"},
		{"openssl", "1.1.1n-0+deb11u3", ""},
		{"zlib1g", "1:1.2.11.dfsg-2+deb11u1", "zlib"},
		{"libexpat1", "2.2.10-2+deb11u2", "expat"},
		{"libncursesw6", "6.2+20201114-2", "ncurses"},
		{"libgcc-s1", "10.2.1-6", "gcc-10 (10.2.1-6)"},
		{"libpython3.9-minimal", "3.9.2-1", "python3.9"},
		{"libdb5.3", "5.3.28+dfsg1-0.8", "db5.3"},
	} {
		source := ""
		if of[2] != "" {
			source = "Source: " + of[2] + "\n"
		}
		files["var/lib/dpkg/status.d/"+of[0]] = "Package: " + of[0] + "\n" + source + "Version: " + of[1] + "\nArchitecture: amd64\nMaintainer: A <a@debian.org>\nDescription: a package\n"
		files["var/lib/dpkg/status.d/"+of[0]+".md5sums"] = "d41d8cd98f00b204e9800998ecf8427e  usr/share/doc/" + of[0] + "/copyright\n"
	}
	return p.writeAll(files)
}

// modulesLayer has a program as if an old Go had built it: the name of the version that did is replaced, at its length.
func modulesLayer(p *packer, program string) error {
	body, err := os.ReadFile(filepath.Clean(program))
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	for _, old := range []string{"go1.19", "go1.19.4", "go1.19.10"} {
		if len(old) == len(info.GoVersion) {
			return p.write("usr/bin/old", strings.ReplaceAll(string(body), info.GoVersion, old), 0o755)
		}
	}
	return fmt.Errorf("%s was built by %s, for which no older version has a name as long", program, info.GoVersion)
}

// changedLayer goes on top of the application's: a module is deleted, one is replaced, and one is upgraded.
func changedLayer(p *packer) error {
	return p.writeAll(map[string]string{
		"app/node_modules/.wh.lodash":                            "",
		"app/node_modules/marked/.wh..wh..opq":                   "",
		"app/node_modules/marked/package.json":                   npmPackage("marked", "0.3.5"),
		"app/node_modules/handlebars/package.json":               npmPackage("handlebars", "4.7.7"),
		"usr/local/lib/python3.11/.wh.site-packages":             "",
		"usr/local/bundle/specifications/.wh.rack-2.0.1.gemspec": "",
	})
}
