package image_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

// newRegistry starts a registry that ends with the test.
func newRegistry(tb testing.TB) *imagetest.Registry {
	tb.Helper()
	reg := imagetest.NewRegistry()
	tb.Cleanup(reg.Close)
	return reg
}

// impatient makes a puller give up registries that keep it waiting.
func impatient(o *image.Options) {
	o.HeaderTimeout, o.StallWindow = time.Second, 200*time.Millisecond
}

// newPuller makes a puller without credentials that tries again at once.
func newPuller(tb testing.TB, change ...func(*image.Options)) *image.Puller {
	tb.Helper()
	opts := image.Options{
		Keychain: authn.NewMultiKeychain(), Backoff: time.Millisecond, AllowNetworks: []string{"127.0.0.0/8"},
	}
	for _, f := range change {
		f(&opts)
	}
	p, err := image.NewPuller(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// resolve is Resolve where nothing may fail.
func resolve(tb testing.TB, p *image.Puller, reference string) *image.Image {
	tb.Helper()
	img, err := p.Resolve(tb.Context(), reference, "")
	if err != nil {
		tb.Fatalf("resolve %s: %v", reference, err)
	}
	return img
}

// readLayer reads an image's first layer to its end.
func readLayer(ctx context.Context, p *image.Puller, img *image.Image) ([]byte, error) {
	body, err := p.OpenLayer(ctx, img, img.Layers[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// wantError checks kind and whole text of an *image.Error.
func wantError(t *testing.T, err error, kind image.Kind, text string) {
	t.Helper()
	wantFault(t, err, kind, text) //nolint:errcheck // it is checked in there
}

// wantFault is wantError for tests that look at more of the error.
func wantFault(t *testing.T, err error, kind image.Kind, text string) *image.Error {
	t.Helper()
	var e *image.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *image.Error", err, err)
	}
	if e.Kind != kind {
		t.Errorf("kind %s, want %s", e.Kind, kind)
	}
	if e.Error() != text {
		t.Errorf("text\n  %s\nwant\n  %s", e.Error(), text)
	}
	return e
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// digestOfX is the digest of what imagetest.WrongContent sends.
func digestOfX(t *testing.T, size int64) string {
	t.Helper()
	hash, _, err := v1.SHA256(strings.NewReader(strings.Repeat("x", int(size))))
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// dialTo connects to one address, whatever is asked for.
type dialTo struct{ address string }

func (d *dialTo) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, d.address)
}
