package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// records are small vulnerability data of the tests' own, in the OSV form: facts of the Debian security tracker and the NVD.
const debianRecord = `{"schema_version":"1.7.0","id":"DEBIAN-CVE-2021-3711","upstream":["CVE-2021-3711"],"published":"2021-08-24T15:15:00Z","modified":"2024-11-21T06:22:12Z",
 "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
 "affected":[{"package":{"ecosystem":"Debian:10","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.1.1d-0+deb10u7"}]}]}]}`

// home is a data directory with a feed, and a registry beside it.
type home struct {
	t          testing.TB
	dir        string
	vulnerable string
	fixed      string
	both       string // an index of two platforms
	unread     string // an image whose package manager is not supported
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir()}
	h.fill()
	return h
}

// fill makes the feed, and a registry with images.
func (h *home) fill() {
	t := h.t
	t.Helper()
	h.feed()
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	h.vulnerable = registry.MustPush(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	h.fixed = registry.MustPush(t.Context(), "library/nginx:1.19-fixed", imagetest.Nginx119Fixed())
	h.both = registry.MustPush(t.Context(), "both:1", imagetest.Index(imagetest.ImageFor("linux/amd64"), imagetest.ImageFor("linux/arm64")))
	h.unread = registry.MustPush(t.Context(), "ubi:9", imagetest.Image(imagetest.Layer(
		imagetest.Text("etc/os-release", "ID=rhel\nVERSION_ID=9.4\n"), imagetest.Text("usr/lib/opkg/status", "9"))))
}

// feed builds the home's feed of one record.
func (h *home) feed() {
	h.t.Helper()
	osv := writeOSV(h.t, "Debian", map[string]string{"DEBIAN-CVE-2021-3711.json": debianRecord})
	if code, _, errOut := h.run("feed", "build", "--osv", osv); code != app.ExitOK {
		h.t.Fatalf("feed build: %d %s", code, errOut)
	}
}

// writeOSV writes an OSV export of one ecosystem and gives its directory.
func writeOSV(tb testing.TB, ecosystem string, records map[string]string) string {
	tb.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for name, body := range records {
		entry, err := archive.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := entry.Write([]byte(body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	write(tb, filepath.Join(dir, ecosystem, "all.zip"), b.Bytes())
	return dir
}

func write(tb testing.TB, path string, body []byte) string {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// run runs a command of the program on the home's data directory.
func (h *home) run(args ...string) (code int, out, errOut string) {
	h.t.Helper()
	return h.runWith("", args...)
}

func (h *home) runWith(stdin string, args ...string) (code int, out, errOut string) {
	h.t.Helper()
	return runProgram(h.t.Context(), stdin, append([]string{"--data-dir", h.dir, "--log-level", "error"}, args...)...)
}

func runProgram(ctx context.Context, stdin string, args ...string) (code int, out, errOut string) {
	var outBuffer, errBuffer bytes.Buffer
	code = app.Main(ctx, args, app.Streams{In: strings.NewReader(stdin), Out: &outBuffer, Err: &errBuffer})
	return code, outBuffer.String(), errBuffer.String()
}

// tableHead is the first line of a table.
var tableHead = regexp.MustCompile(`^(SEVERITY|AT|ID|SOURCE|ECOSYSTEM|image) +\S`)

// want checks an exit code and that texts are in the output.
func want(t *testing.T, code int, output string, wantCode int, texts ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit code %d, want %d: %s", code, wantCode, output)
	}
	for _, text := range texts {
		if !strings.Contains(output, text) {
			t.Errorf("the output lacks %q:\n%s", text, output)
		}
	}
	inTable := false
	for line := range strings.Lines(output) {
		if inTable = inTable || tableHead.MatchString(line); inTable && len([]rune(strings.TrimRight(line, "\n"))) > 100 {
			t.Errorf("a table is wider than 100 columns: %s", line)
		}
		inTable = inTable && line != "\n"
	}
}

func decode(t *testing.T, body string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}
