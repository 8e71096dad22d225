package inventory_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// wantError asserts an *inventory.Error of a kind, with its whole text.
func wantError(tb testing.TB, err error, kind inventory.Kind, want string) {
	tb.Helper()
	var typed *inventory.Error
	if !errors.As(err, &typed) {
		tb.Fatalf("error is %v, want an *inventory.Error", err)
	}
	if typed.Kind != kind || err.Error() != want {
		tb.Errorf("error is of kind %s: %v\nwant %s: %s", typed.Kind, err, kind, want)
	}
}

func TestScanLayerCorrupt(t *testing.T) {
	t.Parallel()
	whole := layerTar(t, text("etc/os-release", debian10), text("var/lib/dpkg/status", strings.Repeat(dpkgSSL, 100)), text("x", "y"))
	elf := layerTar(t, text("app", "\x7fELF"+strings.Repeat("x", 4096)))
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"cut in a database": {whole[:4096], "var/lib/dpkg/status is corrupt: the tar stream cannot be read: unexpected EOF"},
		"cut in a header":   {whole[:1100], "layer is corrupt: the tar stream cannot be read: unexpected EOF"},
		"cut in a program":  {elf[:2048], "app is corrupt: the tar stream cannot be read: unexpected EOF"},
		"junk":              {[]byte(strings.Repeat("this is no tar. ", 100)), "layer is corrupt: the tar stream cannot be read: archive/tar: invalid tar header"},
		"short junk":        {[]byte("this is no tar"), "layer is corrupt: the tar stream cannot be read: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := inventory.ScanLayer(t.Context(), (&source{data: tt.data}).open, inventory.Options{})
			if l != nil {
				t.Error("there is a layer beside the error")
			}
			wantError(t, err, inventory.KindCorrupt, tt.want)
		})
	}
}

// TestEndMarker takes a layer without one, as container runtimes do: some builders write none, and whether the stream is
// whole is told by its digest, which whoever gives the stream verifies.
func TestEndMarker(t *testing.T) {
	t.Parallel()
	whole := layerTar(t, text("etc/os-release", debian10), text("var/lib/dpkg/status", dpkgSSL))
	trimmed := bytes.TrimRight(whole, "\x00")
	bare := whole[:(len(trimmed)+511)/512*512]
	l, err := inventory.ScanLayer(t.Context(), (&source{data: bare}).open, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if inv := mustMerge(t, l); len(inv.Packages) != 1 {
		t.Errorf("packages are %v", inv.Packages)
	}
}

func TestScanLayerLimits(t *testing.T) {
	t.Parallel()
	data := layerTar(t, text("a", "1"), text("b", "2"), text("var/lib/dpkg/status", dpkgSSL))
	sparse := layerTar(t, text("a", strings.Repeat("x", 5000)))
	for name, tt := range map[string]struct {
		data []byte
		opts inventory.Options
		want string
	}{
		"files":    {data, inventory.Options{MaxFiles: 2}, "layer is too-large: it has more than 2 entries"},
		"bytes":    {data, inventory.Options{MaxBytes: 1024}, "layer is too-large: it has more than 1024 bytes"},
		"one file": {sparse, inventory.Options{MaxBytes: 4000}, "layer is too-large: it has more than 4000 bytes"},
		"database": {data, inventory.Options{MaxFile: 100}, "var/lib/dpkg/status is too-large: it has 562 bytes, more than 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := inventory.ScanLayer(t.Context(), (&source{data: tt.data}).open, tt.opts)
			wantError(t, err, inventory.KindTooLarge, tt.want)
		})
	}
	if _, err := inventory.ScanLayer(t.Context(), (&source{data: data}).open, inventory.Options{MaxFiles: 3, MaxFile: 562, MaxBytes: int64(len(data))}); err != nil {
		t.Errorf("a layer at the limits: %v", err)
	}
}

// TestScanLayerTooLargeElsewhere has a database over the limit at a path that no package manager reads: no error until a
// link leads there.
func TestScanLayerTooLargeElsewhere(t *testing.T) {
	t.Parallel()
	data := layerTar(t, text("etc/os-release", debian10), text("jail/var/lib/dpkg/status", dpkgSSL))
	l, err := inventory.ScanLayer(t.Context(), (&source{data: data}).open, inventory.Options{MaxFile: 100})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, mustMerge(t, l))
	_, err = merge(t, l, scanItems(t, symlink("var/lib/dpkg", "/jail/var/lib/dpkg")))
	wantError(t, err, inventory.KindTooLarge, "jail/var/lib/dpkg/status is too-large: it has 562 bytes, more than 100")
}

func TestMergeLinkLoop(t *testing.T) {
	t.Parallel()
	_, err := merge(t, scanItems(t, symlink("lib", "lib64"), symlink("lib64", "/lib")))
	wantError(t, err, inventory.KindCorrupt, "lib/apk/db/installed is corrupt: its symbolic links form a loop")
}

var errBroken = errors.New("connection reset by peer")

// TestScanLayerStreamError asserts that a failure of the stream is not taken for a fault of the layer.
func TestScanLayerStreamError(t *testing.T) {
	t.Parallel()
	data := layerTar(t, text("etc/os-release", debian10), text("app", "\x7fELF"+strings.Repeat("x", 1<<20)), text("x/node_modules/a/package.json", strings.Repeat("x", 5000)))
	for _, at := range []int64{0, 100, 600, 2000, 500_000, int64(len(data)) - 5000, int64(len(data)) - 1} {
		open := func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(io.LimitReader(onlyReader{strings.NewReader(string(data))}, at), failing{})), nil
		}
		_, err := inventory.ScanLayer(t.Context(), open, inventory.Options{})
		var typed *inventory.Error
		if !errors.Is(err, errBroken) || errors.As(err, &typed) {
			t.Errorf("broken at %d: %v", at, err)
		}
		if want := "read layer: connection reset by peer"; err != nil && err.Error() != want {
			t.Errorf("broken at %d: text is %q, want %q", at, err, want)
		}
	}
	_, err := inventory.ScanLayer(t.Context(), func(context.Context) (io.ReadCloser, error) { return nil, errBroken }, inventory.Options{})
	if !errors.Is(err, errBroken) || err.Error() != "open layer: connection reset by peer" {
		t.Errorf("open: %v", err)
	}
}

// failing is a stream that breaks. Its error comes at the end too, as a wrong digest does.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func TestScanLayerReadsToTheEnd(t *testing.T) {
	t.Parallel()
	data := append(layerTar(t, text("x", "y")), make([]byte, 100_000)...)
	open := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(string(data)), failing{})), nil
	}
	if _, err := inventory.ScanLayer(t.Context(), open, inventory.Options{}); !errors.Is(err, errBroken) {
		t.Errorf("the stream's last error is lost: %v", err)
	}
}

func TestScanLayerCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller went away")
	chunk := layerTar(t, text("app", "\x7fELF"+strings.Repeat("x", 1<<20)))
	reads := 0
	open := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 5 {
				cancel(gone)
			}
			if reads > 6 {
				t.Error("reading goes on after the context has ended")
			}
			n := copy(p, chunk)
			chunk = chunk[n:]
			return n, nil
		})), nil
	}
	if _, err := inventory.ScanLayer(ctx, open, inventory.Options{}); !errors.Is(err, gone) {
		t.Errorf("error is %v, want the context's cause", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
