package image_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// TestProxyOfTheEnvironment pulls through a proxy that alone knows where the registry is. The environment is read once in a
// process, so that the pull is made in one of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	if reference := os.Getenv("IMAGE_TEST_REFERENCE"); reference != "" { // the other process
		dir := t.TempDir()
		writeFile(t, dir+"/_default/hosts.toml", "skip_verify = true\n")
		p := newPuller(t, func(o *image.Options) { o.ConfigDir, o.AllowNetworks, o.Attempts = dir, nil, 1 })
		if _, err := p.Resolve(t.Context(), reference, ""); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Parallel()
	reg := newRegistry(t)
	reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	server := httptest.NewTLSServer(reg)
	t.Cleanup(server.Close)
	var connects atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		connects.Add(1)
		if req.Method != http.MethodConnect || req.Host != "registry.example:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		tunnel(w, server.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	for reference, through := range map[string]bool{"registry.example/app:1": true, "10.1.2.3:5000/app:1": false} {
		connects.Store(0)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
		cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "IMAGE_TEST_REFERENCE="+reference)
		out, err := cmd.CombinedOutput()
		if (err == nil) != through || (connects.Load() > 0) != through {
			t.Errorf("%s: %d connections through the proxy, %v: %s", reference, connects.Load(), err, out)
		}
		if !through && !strings.Contains(string(out), "registryAllowNetworks") {
			t.Errorf("%s: %s", reference, out)
		}
	}
}

// tunnel joins a client of CONNECT to an address.
func tunnel(w http.ResponseWriter, address string) {
	there, err := (&net.Dialer{}).Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = there.Close() }()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = here.Close() }()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.Copy(there, here); _ = there.Close() })
	group.Go(func() { _, _ = io.Copy(here, there); _ = here.Close() })
	group.Wait()
}
