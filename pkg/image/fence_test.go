package image_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/image"
)

// TestFence asks a server of the test's own machine, with and without leave, and addresses that nobody gets leave for.
func TestFence(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	hostPort := server.Listener.Addr().String()
	for _, c := range []struct {
		allow []string
		url   string
		fault string
	}{
		{nil, server.URL, hostPort + " is at a loopback address; if it may be asked, name it in the setting whereToAllow"},
		{[]string{hostPort}, server.URL, ""},
		{[]string{"127.0.0.0/8"}, server.URL, ""},
		{[]string{"0.0.0.0/0"}, "https://169.254.169.254/latest", "link-local"},
		{[]string{"0.0.0.0/0"}, "https://0x7f000001/", "no name of a host"},
	} {
		fence, err := image.NewFence("whereToAllow", c.allow)
		if err != nil {
			t.Fatal(err)
		}
		transport, err := fence.Transport([]string{ca})
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != (c.fault == "") || (err != nil && !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%v %s: %v, want %q", c.allow, c.url, err, c.fault)
		}
		var conn net.Conn
		if conn, err = fence.DialContext(t.Context(), "tcp", hostPort); err == nil {
			_ = conn.Close()
		}
		if c.url == server.URL && (err == nil) != (c.fault == "") {
			t.Errorf("%v: connect: %v", c.allow, err)
		}
	}
	if _, err := image.NewFence("whereToAllow", []string{"1.2.3.4/99"}); err == nil || !strings.HasPrefix(err.Error(), `whereToAllow: "1.2.3.4/99" is no network`) {
		t.Errorf("%v", err)
	}
}
