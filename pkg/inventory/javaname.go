package inventory

import (
	"archive/zip"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem/language/java/groupid"
)

// pom reads a pom.properties: groupId, artifactId and version, a line each
// (https://maven.apache.org/shared/maven-archiver/#pom-properties-content).
func (s *jarSearch) pom(f *zip.File) (found, error) {
	var group, artifact, version string
	err := s.lines(f, func(line string) {
		key, value, ok := strings.Cut(line, "=")
		to := map[string]*string{"groupId": &group, "artifactId": &artifact, "version": &version}[strings.TrimSpace(key)]
		if ok && to != nil {
			*to = strings.TrimSpace(value)
		}
	})
	switch {
	case err != nil:
		return found{}, err
	case !isJavaName(group) || !isJavaName(artifact) || !isJavaName(version):
		s.noVersion(path.Base(path.Dir(f.Name)))
		return found{}, nil
	}
	return found{Name: group + ":" + artifact, Version: strings.Clone(version)}, nil
}

// isJavaName tells a name or a version from nothing, a sentence, and what the build was to replace.
func isJavaName(text string) bool {
	return text != "" && len(text) <= maxPythonField && !strings.ContainsAny(text, " \t:${}@%")
}

// lines gives the lines of a text in an archive; those that go on in the next, as a manifest's, are joined.
func (s *jarSearch) lines(f *zip.File, do func(line string)) error {
	r, err := s.open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxJarText+1))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if len(text) > maxJarText {
		return fmt.Errorf("it is larger than %d bytes", maxJarText)
	}
	unified := strings.NewReplacer("\r\n ", "", "\n ", "", "\r\n", "\n").Replace(string(text))
	for line := range strings.SplitSeq(unified, "\n") {
		do(line)
	}
	return nil
}

// javaManifest is what the main section of a manifest says (https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html).
type javaManifest map[string]string

func (s *jarSearch) manifest(f *zip.File) (javaManifest, error) {
	m, ended := javaManifest{}, false
	err := s.lines(f, func(line string) {
		key, value, ok := strings.Cut(line, ":")
		if ended = ended || strings.TrimSpace(line) == ""; ok && !ended {
			m[strings.ToLower(key)] = strings.TrimSpace(value)
		}
	})
	return m, err
}

// first gives the first of some fields that is a name.
func (m javaManifest) first(fields ...string) string {
	for _, field := range fields {
		value, _, _ := strings.Cut(m[field], ";") // Bundle-SymbolicName: name;singleton:=true
		if isJavaName(value) {
			return value
		}
	}
	return ""
}

// identity gives what an archive is by its file name, artifact-version.jar, and its manifest. The group is in neither for certain; where
// nothing names one, it is the artifact's own name, as with the artifacts of Maven's first years.
func (m javaManifest) identity(name string) (found, bool) {
	name = strings.ReplaceAll(name[strings.LastIndex(name, "!")+1:], "\\", "/")
	var artifact, version string
	if a, v := jarName(path.Base(name)); isJavaName(a) && isJavaName(v) {
		artifact, version = a, v
	} else {
		artifact = m.first("implementation-title", "specification-title", "bundle-symbolicname", "automatic-module-name")
		stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
		if strings.HasSuffix(artifact, "."+stem) || strings.Contains(artifact, "#") {
			artifact = stem
		}
		version = m.first("implementation-version", "bundle-version", "specification-version")
	}
	if artifact == "" || version == "" {
		return found{}, false
	}
	group := m.group(artifact)
	if i := strings.LastIndexByte(artifact, '.'); group == "" && i > 0 { // org.apache.felix.framework-1.2.3.jar
		group = artifact[:i]
	}
	if group == "" {
		group = artifact
	}
	return found{Name: group + ":" + artifact, Version: strings.Clone(version)}, true
}

// jarName parts a file's name at the first place after which a version begins: after a dash, as Maven names files
// (guava-31.1-jre.jar), else after the first underscore, as bundles are named, else after the first dot. It gives nothing where there is none.
func jarName(base string) (artifact, version string) {
	stem := strings.TrimSuffix(base, path.Ext(base))
	for i := range len(stem) {
		if stem[i] == '-' && isJarVersion(stem[i+1:]) {
			return stem[:i], stem[i+1:]
		}
	}
	for _, separator := range []string{"_", "."} {
		if artifact, version, ok := strings.Cut(stem, separator); ok && isJarVersion(version) {
			return artifact, version
		}
	}
	return "", ""
}

// isJarVersion tells whether a text begins as versions do: with a digit, or build, r or rc and a number, as in r09, r12a and rc1. What is
// r and one digit and goes on as a word is a name, as r2dbc.
func isJarVersion(text string) bool {
	digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	if digits(text) > 0 {
		return true
	}
	if rest, ok := strings.CutPrefix(text, "build"); ok && digits(rest) > 0 {
		return true
	}
	rest, ok := strings.CutPrefix(text, "r")
	rest = strings.TrimPrefix(rest, "c")
	n := digits(rest)
	if !ok || n == 0 {
		return false
	}
	rest = rest[n:]
	return rest == "" || n > 1 || (rest[0]|0x20 < 'a' || rest[0]|0x20 > 'z')
}

// group gives the group that a manifest names for an artifact. Of a bundle's symbolic name it is what comes before the artifact's name, or up
// to the part that this name begins with: org.apache.logging.log4j for log4j-core in org.apache.logging.log4j.core.
func (m javaManifest) group(artifact string) string {
	if group := groupid.FromArtifactID(artifact); group != "" {
		return group
	}
	if group := m.first("implementation-vendor-id"); strings.Contains(group, ".") { // where Maven used to put it
		return group
	}
	symbolic := m.first("bundle-symbolicname")
	if group, ok := strings.CutSuffix(symbolic, "."+artifact); ok {
		return group
	}
	parts := strings.Split(symbolic, ".")
	for i, part := range parts {
		if i > 0 && strings.HasPrefix(artifact, part+"-") {
			return strings.Join(parts[:i+1], ".")
		}
	}
	if strings.Contains(symbolic, ".") {
		return strings.ToLower(symbolic)
	}
	title, _, _ := strings.Cut(m["implementation-title"], "#") // org.elasticsearch#server;8.14.3
	if title != m["implementation-title"] && isJavaName(title) {
		return title
	}
	return ""
}

// isAmongPoms tells whether an archive is one of the artifacts that Maven left a note of: whatever the group that was guessed.
func isAmongPoms(poms []found, name string) bool {
	_, artifact, _ := strings.Cut(name, ":")
	return slices.ContainsFunc(poms, func(p found) bool {
		_, known, _ := strings.Cut(p.Name, ":")
		return known == artifact || strings.HasPrefix(artifact, known+"-") || strings.HasSuffix(artifact, "."+known)
	})
}
