//go:build e2e

package kind_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log" //nolint:depguard // the registry takes one of package log
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// registry is a registry that the node and the pods reach, without TLS.
type registry struct {
	host       string // address:port
	vulnerable string // nginx:1.19's packages
	fixed      string // the same with the fixes
	slow       string // the vulnerable one, from a registry that takes 50 seconds for a layer
	feed       string // oci:// reference of the feed
}

// newRegistry starts the registry and tells the node's containerd that it has no TLS.
func newRegistry(t *testing.T, l *lab) *registry {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(l.gateway(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: slowly(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	r := &registry{host: listener.Addr().String()}
	l.writeOnNode("/etc/containerd/certs.d/"+r.host+"/hosts.toml", "[host.\"http://"+r.host+"\"]\n  capabilities = [\"pull\", \"resolve\"]\n")
	r.vulnerable = r.push(t, "shop/web:1.19", running(t, imagetest.Nginx119()))
	r.fixed = r.push(t, "shop/web:1.19-fixed", running(t, imagetest.Nginx119Fixed()))
	noise := make([]byte, slowBytes) // nothing makes it smaller
	_, _ = rand.Read(noise)
	slow, err := mutate.AppendLayers(imagetest.Nginx119(), imagetest.Layer(imagetest.Text("noise", string(noise))))
	if err != nil {
		t.Fatal(err)
	}
	r.slow = r.push(t, "slow/web:1.19", slow)
	r.feed = "oci://" + r.host + "/runecast/feed:latest"
	l.pushFeed(r)
	return r
}

const (
	slowBytes = 400 << 10
	slowStep  = slowBytes / 50 // bytes a second
)

// slowly serves the layers below slow/ a piece a second.
func slowly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v2/slow/") && strings.Contains(r.URL.Path, "/blobs/") {
			w = &slowWriter{w, r}
		}
		next.ServeHTTP(w, r)
	})
}

type slowWriter struct {
	http.ResponseWriter
	request *http.Request
}

// Write implements io.Writer.
func (w *slowWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n, err := w.ResponseWriter.Write(p[:min(slowStep, len(p))])
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		select {
		case <-w.request.Context().Done():
			return written, w.request.Context().Err()
		case <-time.After(time.Second):
		}
	}
	return written, nil
}

func (r *registry) push(t *testing.T, repositoryTag string, image v1.Image) string {
	t.Helper()
	reference, err := name.ParseReference(r.host+"/"+repositoryTag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image, remote.WithContext(t.Context())); err != nil {
		t.Fatalf("push %s: %v", reference, err)
	}
	return reference.String()
}

// running adds a program that waits for signals, so that a container of the image goes on running.
func running(t *testing.T, image v1.Image) v1.Image {
	t.Helper()
	image, err := mutate.AppendLayers(image, imagetest.Layer(imagetest.Executable("wait", waiter())))
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.Entrypoint, config.Config.Cmd = []string{"/wait"}, nil
	config.OS, config.Architecture = "linux", "amd64"
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

// waiter is the smallest program that does nothing: an ELF header, one segment, and pause(2) in a loop.
func waiter() []byte {
	const base, headers = 0x400000, 64 + 56
	code := []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7} // mov eax, SYS_pause; syscall; jmp back
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(base + headers), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(64), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), uint64(headers + len(code)), uint64(headers + len(code)), uint64(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, field)
	}
	b.Write(code)
	return b.Bytes()
}

// pushFeed builds a feed from the real data where there is any, else from a record, and pushes it to the registry.
func (l *lab) pushFeed(r *registry) {
	l.t.Helper()
	index := filepath.Join(l.dir, "feed.index")
	program := filepath.Join(l.dir, "runecast")
	l.run("go", "build", "-o", program, "github.com/runecast/runecast/cmd/runecast")
	feeds := os.Getenv("RUNECAST_TEST_FEEDS")
	if feeds == "" {
		feeds = filepath.Join("..", "..", "..", "shared", "feeds")
	}
	args := []string{program, "feed", "build", "--data-dir", l.dir, "-o", index, "--osv", filepath.Join(feeds, "osv")}
	if _, err := os.Stat(filepath.Join(feeds, "osv")); err == nil {
		args = append(args, "--nvd", filepath.Join(feeds, "nvdcve-2.0.json.gz"), "--cve", filepath.Join(feeds, "cve5.zip"),
			"--kev", filepath.Join(feeds, "known_exploited_vulnerabilities.json"))
	} else {
		args[len(args)-1] = l.smallFeed()
	}
	l.run(args...)
	l.run(program, "feed", "push", "--data-dir", l.dir, "--feed", index, "--registry-plain-http", r.host, r.feed)
}

// smallFeed packs the records of the API server's suite as OSV's export of Debian.
func (l *lab) smallFeed() string {
	l.t.Helper()
	dir := filepath.Join(l.dir, "osv")
	must(l.t, os.MkdirAll(filepath.Join(dir, "Debian"), 0o700))
	archive, err := os.Create(filepath.Join(dir, "Debian", "all.zip"))
	must(l.t, err)
	w := zip.NewWriter(archive)
	must(l.t, w.AddFS(os.DirFS(filepath.Join("..", "apiserver", "testdata", "osv", "Debian"))))
	must(l.t, w.Close())
	must(l.t, archive.Close())
	return dir
}
