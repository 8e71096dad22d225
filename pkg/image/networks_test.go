package image_test

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	const never = "a link-local address or one of a cloud's metadata service"
	for address, want := range map[string]string{
		"8.8.8.8": "", "2606:4700::1": "", "100.128.0.1": "", "172.32.0.1": "", "64:ff9b::808:808": "", "2002:808:808::1": "", "192.31.196.1": "",
		"127.0.0.1": "a loopback", "127.8.8.8": "a loopback", "::1": "a loopback", "::ffff:127.0.0.1": "a loopback", "64:ff9b::7f00:1": "a loopback", "2002:7f00:1::": "a loopback",
		"0.0.0.0": "an unspecified", "0.1.2.3": "an unspecified", "::": "an unspecified",
		"10.0.0.5": "a private", "172.16.0.1": "a private", "172.31.255.255": "a private", "192.168.1.1": "a private", "100.64.0.1": "a private", "100.127.255.255": "a private",
		"fc00::1": "a private", "fdff::1": "a private", "fec0::1": "a private", "::ffff:10.0.0.5": "a private", "64:ff9b::a00:5": "a private", "2002:a00:5::1": "a private",
		"224.0.1.1": "a multicast", "ff0e::1": "a multicast", "192.0.2.1": "a documentation", "198.51.100.1": "a documentation", "203.0.113.1": "a documentation", "2001:db8::1": "a documentation", "3fff::1": "a documentation",
		"198.18.0.1": "a benchmark", "198.19.255.255": "a benchmark", "2001:2::1": "a benchmark",
		"192.0.0.8": "a reserved", "255.255.255.255": "a reserved", "240.0.0.1": "a reserved", "2001::1": "a reserved", "64:ff9b:1::1": "a reserved", "::10.0.0.5": "a reserved", "100::1": "a reserved", "4000::1": "a reserved",
		"169.254.169.254": never, "fe80::1%eth0": never, "ff02::1": never, "224.0.0.1": never, "fd00:ec2::254": never, "168.63.129.16": never, "192.0.0.192": never, "100.100.100.200": never,
		"::ffff:169.254.1.2": never, "64:ff9b::a9fe:a9fe": never, "2002:a9fe:a9fe::1": never,
	} {
		addr := netip.MustParseAddr(address)
		err := image.CheckAddress(nil, "registry.example:443", addr)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		allowed := image.CheckAddress([]string{"*.example"}, "registry.example:443", addr)
		if (allowed != nil) != (want == never) {
			t.Errorf("%s under an allowed domain: %v", address, allowed)
		}
		if err := image.CheckAddress([]string{"0.0.0.0/0", "::/0"}, "registry.example:443", addr); (err != nil) != (want == never) {
			t.Errorf("%s of an allowed network: %v", address, err)
		}
	}
}

func TestAllowNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry, hostPort, address string
		allowed                  bool
	}{
		{"10.0.0.0/8", "r.example:443", "10.2.3.4", true},
		{"10.0.0.7/8", "r.example:443", "10.2.3.4", true},
		{"10.0.0.0/8", "r.example:443", "11.2.3.4", true}, // public
		{"10.0.0.0/8", "r.example:443", "192.168.0.1", false},
		{"10.0.0.0/8", "r.example:443", "::ffff:10.0.0.1", true},
		{"10.0.0.5", "10.0.0.5:5000", "10.0.0.5", true},
		{"10.0.0.5", "10.0.0.6:5000", "10.0.0.6", false},
		{"10.0.0.5:5000", "10.0.0.5:5000", "10.0.0.5", true},
		{"10.0.0.5:5000", "10.0.0.5:5001", "10.0.0.5", false},
		{"[fd12::1]:5000", "[fd12::1]:5000", "fd12::1", true},
		{"[fd12::1]:5000", "[fd12::1]:443", "fd12::1", false},
		{"Registry.Corp", "registry.corp.:443", "10.0.0.5", true},
		{"registry.corp", "other.corp:443", "10.0.0.5", false},
		{"registry.corp:5000", "registry.corp:5000", "10.0.0.5", true},
		{"registry.corp:5000", "registry.corp:443", "10.0.0.5", false},
		{"*.corp", "a.b.corp:443", "10.0.0.5", true},
		{"*.corp", "corp:443", "10.0.0.5", false},
		{"*.corp", "evilcorp:443", "10.0.0.5", false},
		{"127.0.0.0/8", "x.example:443", "169.254.169.254", false},
	} {
		err := image.CheckAddress([]string{c.entry}, c.hostPort, netip.MustParseAddr(c.address))
		if (err == nil) != c.allowed {
			t.Errorf("%s for %s at %s: %v", c.entry, c.hostPort, c.address, err)
		}
	}
	for _, entry := range []string{"", "10.0.0.0/33", "https://r.example", "r.example:", "*.", "*", "a.*.b", "127.1", "0x7f000001", "*.corp:443", "a b"} {
		if _, err := image.NewPuller(image.Options{AllowNetworks: []string{entry}}); entry != "r.example:" && (err == nil || !strings.Contains(err.Error(), "registryAllowNetworks: ")) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// TestUnlistedRegistries are refused by default, whatever form their address has, and the refusal is lasting.
func TestUnlistedRegistries(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	ref := reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	p := newPuller(t, func(o *image.Options) { o.AllowNetworks, o.PlainHTTP = nil, []string{reg.Host(), "localhost:5000"} })
	for host, is := range map[string]string{reg.Host(): "a loopback", "localhost:5000": "a loopback", "10.0.0.5:5000": "a private"} {
		_, err := p.Resolve(t.Context(), strings.Replace(ref, reg.Host(), host, 1), "")
		e := wantFault(t, err, image.KindUnreachable, "image "+host+"/app:1: the request for manifest 1 to registry "+host+" is not made: "+
			host+" is at "+is+" address; if it may be asked, name it in the setting registryAllowNetworks")
		if e.Temporary() {
			t.Errorf("%s: temporary", host)
		}
	}
	if n := reg.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
	for _, entry := range []string{reg.Host(), "127.0.0.1", "127.0.0.0/30"} {
		resolve(t, newPuller(t, func(o *image.Options) { o.AllowNetworks = []string{entry} }), ref)
	}
}

// fakeDNS answers every question for an IPv4 address with that of the moment, to be believed for no time at all.
func fakeDNS(t *testing.T, answer func() [4]byte) *net.Resolver {
	t.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			end := 12
			for end < n && question[end] != 0 {
				end += int(question[end]) + 1
			}
			reply := append([]byte{}, question[:end+5]...) // header, name, type, class: RFC 1035, section 4
			binary.BigEndian.PutUint16(reply[2:], 0x8180)
			for i := 6; i < 12; i++ {
				reply[i] = 0
			}
			if reply[end+2] == 1 { // A; there are no others
				reply[7] = 1
				address := answer()
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, address[0], address[1], address[2], address[3])
			}
			_, _ = server.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: (&dialTo{server.LocalAddr().String()}).dial}
}

// TestRebinding has a name resolve to an allowed address first and to another one later; 127.0.0.1 stands for the allowed one.
func TestRebinding(t *testing.T) {
	t.Parallel()
	reg := newRegistry(t)
	reg.MustPush(t.Context(), "app:1", imagetest.Alpine())
	_, port, _ := strings.Cut(reg.Host(), ":")
	var hits atomic.Int32
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits.Add(1); w.WriteHeader(http.StatusTeapot) }))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = inside.Listener.Close()
	inside.Listener = l
	inside.Start()
	t.Cleanup(inside.Close)
	var later atomic.Bool
	names := fakeDNS(t, func() [4]byte {
		if later.Load() {
			return [4]byte{127, 0, 0, 2}
		}
		return [4]byte{127, 0, 0, 1}
	})
	host := "registry.example:" + port
	set := func(allow ...string) func(*image.Options) {
		return func(o *image.Options) {
			o.Resolver, o.PlainHTTP, o.AllowNetworks, o.ResolveTTL = names, []string{host}, allow, 1
		}
	}
	p := newPuller(t, set("127.0.0.1/32"))
	img := resolve(t, p, host+"/app:1")
	later.Store(true)
	reg.Inject(imagetest.Any, imagetest.Always, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusInternalServerError)
	})
	_, err = readLayer(t.Context(), p, img) // over the connection that is open; the attempts after it make new ones
	wantError(t, err, image.KindUnreachable, "image "+host+"/app:1: the request for layer "+img.Layers[0].Digest+" to registry "+host+" is not made: "+
		host+" is at a loopback address; if it may be asked, name it in the setting registryAllowNetworks")
	if hits.Load() != 0 {
		t.Error("the address was asked")
	}
	_, err = newPuller(t, set(host)).Resolve(t.Context(), host+"/app:1", "")
	if hits.Load() == 0 {
		t.Errorf("allowed by its name, it is not asked: %v", err)
	}
}
