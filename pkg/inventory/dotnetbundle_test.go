package inventory_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

const (
	bundleMarker = "\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae"
	bundled      = "Microsoft.NETCore.App.Runtime.linux-x64 6.0.5, Newtonsoft.Json 12.0.3"
)

// dotnetBundle lays a single-file program out as the SDK's bundler does: the host with the marker in it, the files, the header.
// filler are the bytes between the host's start and its marker.
func dotnetBundle(major uint32, filler int, deps string) string {
	host := "\x7fELF\x02\x01\x01" + strings.Repeat("x", filler)
	at := len(host)
	body := host + strings.Repeat("\x00", 8) + bundleMarker + strings.Repeat("y", 1000)
	const assembly = "MZ an assembly"
	body += assembly
	depsAt := len(body)
	body += deps
	header := bundleHeader(major, uint64(depsAt), uint64(len(deps)), uint64(depsAt-len(assembly)), uint64(len(assembly)))
	place := binary.LittleEndian.AppendUint64(nil, uint64(len(body)))
	return body[:at] + string(place) + body[at+8:] + header
}

func bundleHeader(major uint32, depsAt, depsSize, otherAt, otherSize uint64) string {
	le := binary.LittleEndian
	h := le.AppendUint32(nil, major)
	h = le.AppendUint32(h, 0)
	h = le.AppendUint32(h, 2)
	h = append(h, "\x0cabcdefghijkl"...)
	if major >= 2 {
		h = le.AppendUint64(le.AppendUint64(h, depsAt), depsSize)
		h = le.AppendUint64(le.AppendUint64(h, 0), 0) // no runtimeconfig.json
		h = le.AppendUint64(h, 0)                     // flags
	}
	for _, f := range []struct {
		at, size uint64
		kind     byte
		name     string
	}{{otherAt, otherSize, 1, strings.Repeat("d", 140) + ".dll"}, {depsAt, depsSize, 3, "app.deps.json"}} {
		h = le.AppendUint64(le.AppendUint64(h, f.at), f.size)
		if major >= 6 {
			h = le.AppendUint64(h, 0) // not compressed
		}
		h = append(h, f.kind)
		if n := len(f.name); n > 127 {
			h = append(h, byte(n&127|128), byte(n>>7))
		} else {
			h = append(h, byte(n))
		}
		h = append(h, f.name...)
	}
	return string(h)
}

// TestDotnetBundle reads programs of .NET Core 3 (header 1), .NET 5 (2) and 6 and later (6), wherever the marker falls between the reader's windows.
func TestDotnetBundle(t *testing.T) {
	t.Parallel()
	broken := dotnetBundle(6, 100, depsJSON)
	far := strings.Replace(broken, string(binary.LittleEndian.AppendUint64(nil, uint64(strings.Index(broken, "MZ an")+len("MZ an assembly")+len(depsJSON)))), "\xff\xff\xff\xff\xff\xff\xff\x00", 1)
	for name, tt := range map[string]struct{ program, want, warning string }{
		"version 1":       {dotnetBundle(1, 100, depsJSON), bundled, ""},
		"version 2":       {dotnetBundle(2, 100, depsJSON), bundled, ""},
		"version 6":       {dotnetBundle(6, 100, depsJSON), bundled, ""},
		"large host":      {dotnetBundle(6, 3<<20, depsJSON), bundled, ""},
		"byte order mark": {dotnetBundle(6, 100, "\xef\xbb\xbf"+depsJSON), bundled, ""},
		"no bundle":       {"\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100) + bundleMarker + strings.Repeat("y", 100), "", ""},
		"marker of zeros": {"\x7fELF" + strings.Repeat("\x00", 8) + bundleMarker, "", ""},
		"beyond its end":  {far, "", ""},
		"cut in header":   {broken[:len(broken)-len(bundleHeader(6, 0, 0, 0, 0))+30], "", "unread app: its .NET packages cannot be read: its header is cut short or too long"},
		"no JSON":         {dotnetBundle(6, 100, strings.Repeat("z", 50)), "", "unread app: its .NET packages cannot be read: it is no deps.json: invalid character 'z' looking for beginning of value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantPackages(t, text("app", tt.program), "nuget NuGet", tt.want, tt.warning)
		})
	}
}

// TestDotnetBundleAtEachWindow moves the marker through the reader's windows: no place between two of them hides it.
func TestDotnetBundleAtEachWindow(t *testing.T) {
	t.Parallel()
	for _, near := range []int{32 << 10, 64 << 10, 128 << 10, 256 << 10} {
		for off := -60; off <= 20; off += 5 {
			if got := names(mustMerge(t, scanItems(t, text("app", dotnetBundle(6, near+off, depsJSON))))); got != bundled {
				t.Errorf("marker near %d%+d: %q", near, off, got)
			}
		}
	}
}

// FuzzDotnetBundle feeds arbitrary programs with a marker: no more packages than there are slashes between names and versions.
func FuzzDotnetBundle(f *testing.F) {
	for _, major := range []uint32{1, 2, 6} {
		f.Add([]byte(dotnetBundle(major, 10, depsJSON)))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1<<20 || !bytes.HasPrefix(program, []byte("\x7fELF")) {
			return
		}
		fuzzFile(t, "app", string(program), bytes.Count(program, []byte("/"))+bytes.Count(program, []byte("\\")))
	})
}
