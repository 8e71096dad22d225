package image_test

import (
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// writeFile writes a file of a test, with the directories that it is in.
func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withHosts makes a puller with a hosts.toml for one registry.
func withHosts(t *testing.T, registry, content string, change ...func(*image.Options)) *image.Puller {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, registry, "hosts.toml"), content)
	return newPuller(t, append(change, func(o *image.Options) { o.ConfigDir = dir })...)
}

func TestMirrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys          string // of the mirror
		fault         func(mirror *imagetest.Registry)
		empty         bool // the mirror has no image
		mirror, ahead int  // requests for manifests at the mirror and at the registry: 0 none, 1 some
	}{
		"has it":     {mirror: 1},
		"has it not": {empty: true, mirror: 1, ahead: 1},
		"broken":     {fault: func(m *imagetest.Registry) { m.Inject(imagetest.Any, imagetest.Always, imagetest.Status(500)) }, ahead: 1},
		"busy": {fault: func(m *imagetest.Registry) {
			m.Inject(imagetest.Manifest, imagetest.Always, imagetest.TooManyRequests(60))
		}, mirror: 1, ahead: 1},
		"gone":                   {fault: func(m *imagetest.Registry) { m.Close() }, ahead: 1},
		"lying":                  {fault: func(m *imagetest.Registry) { m.Inject(imagetest.Manifest, imagetest.Always, imagetest.WrongContent()) }, keys: `capabilities = ["pull"]`, ahead: 1},
		"lying in small":         {fault: func(m *imagetest.Registry) { m.Inject(imagetest.Blob, imagetest.Always, imagetest.WrongContent()) }, mirror: 1},
		"for digests alone":      {keys: `capabilities = ["pull"]`, ahead: 1},
		"for nothing we do":      {keys: `capabilities = ["push"]`, ahead: 1},
		"for tags, says its own": {keys: `capabilities = ["resolve", "pull"]`, mirror: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror, upstream := newRegistry(t), newRegistry(t)
			ref := upstream.MustPush(t.Context(), "app:1", imagetest.Alpine())
			if !c.empty {
				mirror.MustPush(t.Context(), "app:1", imagetest.Alpine())
			}
			if c.fault != nil {
				c.fault(mirror)
			}
			p := withHosts(t, upstream.Host(), fmt.Sprintf("[host.\"http://%s\"]\n%s\n", mirror.Host(), c.keys))
			img := resolve(t, p, ref)
			if img.Repository != upstream.Host()+"/app" {
				t.Errorf("the image's repository is %s", img.Repository)
			}
			if (mirror.Manifests() > 0) != (c.mirror > 0) && c.fault == nil || (upstream.Manifests() > 0) != (c.ahead > 0) {
				t.Errorf("%d manifests of the mirror, %d of the registry", mirror.Manifests(), upstream.Manifests())
			}
			if name == "lying in small" {
				return
			}
			if _, err := readLayer(t.Context(), p, img); err != nil {
				t.Error(err)
			}
			if name == "for digests alone" && (mirror.Blobs() == 0 || upstream.Blobs() != 0) {
				t.Errorf("%d blobs of the mirror, %d of the registry", mirror.Blobs(), upstream.Blobs())
			}
		})
	}
}

// TestOrderOfHosts has three mirrors asked as they are written, and the server last.
func TestOrderOfHosts(t *testing.T) {
	t.Parallel()
	var regs []*imagetest.Registry
	for range 4 {
		regs = append(regs, newRegistry(t))
	}
	last := regs[3]
	last.MustPush(t.Context(), "app:1", imagetest.Alpine())
	var asked []string
	var turn atomic.Pointer[[]string]
	turn.Store(&asked)
	for _, r := range regs {
		r.Inject(imagetest.Manifest, imagetest.Always, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			list := append(*turn.Load(), r.Host()+"?"+req.URL.RawQuery)
			turn.Store(&list)
			next.ServeHTTP(w, req)
		})
	}
	var content strings.Builder
	fmt.Fprintf(&content, "server = \"http://%s\"\n", last.Host())
	for _, i := range []int{2, 0, 1} {
		fmt.Fprintf(&content, "[host.\"http://%s\"]\n[host.\"http://%s\".header]\nx-test = [\"a\", \"b\"]\n", regs[i].Host(), regs[i].Host())
	}
	p := withHosts(t, "_default", content.String())
	resolve(t, p, "registry.example/app:1")
	const ns = "?ns=registry.example"
	want := strings.Join([]string{regs[2].Host() + ns, regs[0].Host() + ns, regs[1].Host() + ns, last.Host() + ns}, " ")
	if got := strings.Join(*turn.Load(), " "); got != want {
		t.Errorf("asked\n%s\nwant\n%s", got, want)
	}
}

// hostKeychain has a password for each host.
type hostKeychain map[string]string

func (k hostKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if password, ok := k[r.RegistryStr()]; ok {
		return &authn.Basic{Username: "robot", Password: password}, nil
	}
	return authn.Anonymous, nil
}

// TestMirrorsGetTheirOwnCredentials alone, and their own path and headers.
func TestMirrorsGetTheirOwnCredentials(t *testing.T) {
	t.Parallel()
	backend, upstream := newRegistry(t), newRegistry(t)
	ref := upstream.MustPush(t.Context(), "app:1", imagetest.Alpine())
	backend.MustPush(t.Context(), "app:1", imagetest.Alpine())
	seen := make(chan string, 100)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, password, _ := req.BasicAuth()
		seen <- req.URL.Path + " " + password + " " + req.Header.Get("X-Team")
		if password == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		req.URL.Path = "/v2" + strings.TrimPrefix(req.URL.Path, "/proxy/hub")
		backend.ServeHTTP(w, req)
	}))
	t.Cleanup(front.Close)
	host := strings.TrimPrefix(front.URL, "http://")
	p := withHosts(t, upstream.Host(), fmt.Sprintf("[host.\"%s/proxy/hub\"]\noverride_path = true\nheader = {x-team = \"shop\"}\n", front.URL),
		func(o *image.Options) { o.Keychain = hostKeychain{host: "of-mirror", upstream.Host(): "of-upstream"} })
	resolve(t, p, ref)
	if upstream.Requests() != 0 || len(seen) < 3 {
		t.Errorf("%d requests upstream, %d at the mirror", upstream.Requests(), len(seen))
	}
	for range len(seen) {
		got := <-seen
		if !strings.HasPrefix(got, "/proxy/hub/") || !strings.HasSuffix(got, " of-mirror shop") && !strings.HasSuffix(got, "/proxy/hub/  shop") {
			t.Errorf("the mirror got %q", got)
		}
	}
}

func TestHostsFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	mirror, upstream := newRegistry(t), newRegistry(t)
	first := upstream.MustPush(t.Context(), "app:1", imagetest.Alpine())
	second := upstream.MustPush(t.Context(), "app:2", imagetest.TwoLayer())
	mirror.MustPush(t.Context(), "app:2", imagetest.TwoLayer())
	dir := t.TempDir()
	p := newPuller(t, func(o *image.Options) { o.ConfigDir = dir })
	resolve(t, p, first)
	name := filepath.Join(dir, strings.Replace(upstream.Host(), ":", "_", 1)+"_", "hosts.toml")
	writeFile(t, name, fmt.Sprintf("[host.\"http://%s\"]\n", mirror.Host()))
	resolve(t, p, second)
	if mirror.Manifests() == 0 {
		t.Error("the new file has no effect")
	}
	writeFile(t, name, "serve = \"x\"\n")
	if err := os.Chtimes(name, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err := p.Resolve(t.Context(), upstream.Host()+"/app:3", "")
	e := wantFault(t, err, image.KindUnreachable, "image "+upstream.Host()+"/app:3: its registry's configuration cannot be used: "+name+": unknown key serve")
	if e.Temporary() {
		t.Error("temporary")
	}
}

func TestFilesThatHostsFilesNameAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newPuller(t, func(o *image.Options) { o.ConfigDir = dir })
	upstream := newRegistry(t)
	ref := upstream.MustPush(t.Context(), "app:1", imagetest.Alpine())
	name := filepath.Join(dir, strings.Replace(upstream.Host(), ":", "_", 1)+"_", "hosts.toml")
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	authority := filepath.Join(dir, "ca.pem")
	writeFile(t, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	writeFile(t, name, fmt.Sprintf("server = \"http://%s\"\nca = %q\n", upstream.Host(), authority))
	resolve(t, p, ref)
	writeFile(t, authority, "not a certificate")
	if err := os.Chtimes(authority, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err := p.Resolve(t.Context(), upstream.Host()+"/app:2", "")
	_ = wantFault(t, err, image.KindUnreachable, "image "+upstream.Host()+"/app:2: its registry's configuration cannot be used: "+name+": server: ca: "+authority+" has no certificate in PEM")
}

func TestHostsFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"serv = \"x\"": "unknown key serv",
		"[host.\"https://a\"]\nskip_verfy = true":        "unknown key host.https://a.skip_verfy",
		"[host.\"https://a\"]\ncapabilities = [\"eat\"]": `host "https://a": capabilities: "eat" is none of`,
		"[host.\"https://u:p@a\"]":                       "it is no address",
		"server = \"ftp://a\"":                           "server: it is no address",
		"[host.\"https://a\"]\nca = \"none.pem\"":        "ca: open ",
		"[host.\"https://a\"]\nca = 1":                   "ca: 1 is neither",
		"[host.\"https://a\"]\nclient = [[\"x\"],[1]]":   "client: ",
		"[host.\"https://a\"]\nheader = {x = 1}":         "header x: 1 is neither",
		"host = {\"https://a\" = {skip_verify = true}}":  "each host must be a table of its own",
		"server = ": "hosts.toml: ",
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "registry.example", "hosts.toml"), content)
		_, err := image.NewPuller(image.Options{ConfigDir: dir})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join("registry.example", "hosts.toml")) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
}

// TestPrivateAuthorities pulls over TLS whose certificate only the configuration vouches for.
func TestPrivateAuthorities(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	server := httptest.NewUnstartedServer(reg)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	host := "example.com:" + port // which the certificate is for
	names := fakeDNS(t, func() [4]byte { return [4]byte{127, 0, 0, 1} })
	named := func(o *image.Options) { o.Resolver = names }
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	_, err := newPuller(t, named).Resolve(t.Context(), host+"/app:1", "")
	wantError(t, err, image.KindUnreachable, "image "+host+"/app:1: registry "+host+" does not answer: its certificate is signed by an unknown authority")
	resolve(t, newPuller(t, named, func(o *image.Options) { o.CAFiles = []string{file} }), host+"/app:1")
	resolve(t, withHosts(t, "_default", "server = \"https://"+host+"\"\nca = \""+file+"\"\n", named), "registry.example/app:1")
	resolve(t, withHosts(t, host, "ca = [\""+file+"\"]\n", named), host+"/app:1")
	resolve(t, withHosts(t, host, "skip_verify = true\n", named), host+"/app:1")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	writeFile(t, empty, "nothing")
	for _, name := range []string{empty, "none.pem"} {
		if _, err := image.NewPuller(image.Options{CAFiles: []string{name}}); err == nil || !strings.Contains(err.Error(), "registryCaFiles: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
