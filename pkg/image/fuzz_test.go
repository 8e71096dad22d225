package image_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/image"
)

// FuzzReference reads hostile references: an error with a text, or a reference whose full name is read as the same again.
func FuzzReference(f *testing.F) {
	for _, text := range []string{
		"nginx", "nginx:1.19", "localhost/a:b", "localhost:5000/a", "registry.example/shop/web@sha256:" + strings.Repeat("a", 64), "a:b@sha256:" + strings.Repeat("0", 64),
		"user:hunter2@registry.example/a", "[::1]:5000/a", "../a", "a//b", "http://registry.example/a", "A/b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, why, err := image.ParseReferenceForTest(text)
		if err != nil {
			if !strings.HasPrefix(why, "it is no image reference: ") {
				t.Errorf("%q: %q", text, why)
			}
			return
		}
		full := ref.Name()
		again, _, err := image.ParseReferenceForTest(full)
		if err != nil || again.Name() != full {
			t.Errorf("%q is %q, which is %v, %v", text, full, again, err)
		}
		for part := range strings.SplitSeq(ref.Context().RepositoryStr(), "/") {
			if part == "" || part == "." || part == ".." {
				t.Errorf("%q has the repository %q", text, ref.Context().RepositoryStr())
			}
		}
	})
}

// FuzzHosts reads hostile hosts.toml files: an error that names the file, or as many hosts as there are addresses at most.
func FuzzHosts(f *testing.F) {
	for _, text := range []string{
		"server = \"https://docker.io\"\n[host.\"https://mirror.example\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n",
		"[host.\"http://a\".header]\nx = [\"1\", \"2\"]\n", "[host.\"a:5000/v2/x\"]\nskip_verify = true\nclient = [[\"c\", \"k\"]]\n", "host = {\"a\" = {}}", "[host]\n[host.a]\n[host.\"b\"]\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		const name = "/nonexistent/registry.example/hosts.toml"
		hosts, err := image.ParseHosts(name, content)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if hosts > strings.Count(string(content), "host") {
			t.Errorf("%d hosts of %q", hosts, content)
		}
	})
}
