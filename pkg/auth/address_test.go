package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/runecast/runecast/pkg/auth"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxies []string
		remote  string
		told    []string
		want    string
	}{
		{nil, "192.0.2.1:50", nil, "192.0.2.1"},
		{nil, "192.0.2.1:50", []string{"198.51.100.7"}, "192.0.2.1"}, // a client that is no proxy
		{nil, "[::ffff:192.0.2.1]:50", nil, "192.0.2.1"},
		{nil, "[fe80::1%eth0]:50", nil, "fe80::1"},
		{nil, "@", []string{"198.51.100.7"}, "@"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"198.51.100.7"}, "198.51.100.7"},
		{[]string{"192.0.2.1"}, "192.0.2.1:50", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"}, // the client invented the first
		{[]string{"192.0.2.1"}, "192.0.2.1:50", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"203.0.113.9, 198.51.100.7, 192.0.2.2"}, "198.51.100.7"}, // two proxies
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"192.0.2.3, 192.0.2.2"}, "192.0.2.3"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"198.51.100.7, unknown"}, "192.0.2.1"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{""}, "192.0.2.1"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"198.51.100.7,"}, "192.0.2.1"},
		{[]string{"192.0.2.0/24"}, "203.0.113.9:50", []string{"198.51.100.7"}, "203.0.113.9"},
		{[]string{"2001:db8::/32"}, "[2001:db8::1]:50", []string{"2001:DB8:0::7, 2001:db9::1"}, "2001:db9::1"},
		{[]string{"192.0.2.0/24"}, "[::ffff:192.0.2.1]:50", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{[]string{"192.0.2.0/24"}, "192.0.2.1:50", []string{"<script>\r\nX: y"}, "192.0.2.1"},
	} {
		proxies, err := auth.ParseProxies(c.proxies)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.remote, c.told
		got := ""
		proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = auth.AddressOf(r.Context()) })).ServeHTTP(nil, r)
		if got != c.want {
			t.Errorf("%+v gives %q", c, got)
		}
	}
	if got := auth.AddressOf(t.Context()); got != "" {
		t.Errorf("a context without a request gives %q", got)
	}
	for _, bad := range []string{"", "nginx", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.1:80"} {
		if _, err := auth.ParseProxies([]string{bad}); err == nil {
			t.Errorf("%q is read as a network", bad)
		}
	}
}
