package inventory_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/runecast/runecast/pkg/inventory"
)

// benchLayer is a layer of some 200 MB: 20,000 small files, 2,000 modules, a dpkg database of 400 packages with their lists,
// and large programs with the contents of the go command.
var benchLayer = sync.OnceValue(func() []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(name, content string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content))}); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			panic(err)
		}
	}
	add("etc/os-release", debian10)
	random := rand.New(rand.NewPCG(1, 2))
	filler := strings.Repeat("some text that is in a file of an image\n", 1000)
	for i := range 20_000 {
		add(fmt.Sprintf("usr/lib/python3/dist-packages/some_package_%03d/file_%05d.py", i/100, i), filler[:random.IntN(8000)])
	}
	for i := range 2_000 {
		add(fmt.Sprintf("app/node_modules/module-%04d/package.json", i), packageJSON(fmt.Sprintf("module-%04d", i), "1.0.0"))
	}
	var status strings.Builder
	for i := range 400 {
		status.WriteString(strings.ReplaceAll(dpkgSSL, "libssl1.1", fmt.Sprintf("package%03d", i)))
		add(fmt.Sprintf("var/lib/dpkg/info/package%03d.list", i), strings.Repeat(fmt.Sprintf("/usr/lib/x86_64-linux-gnu/package%03d.so.1\n", i), 30))
	}
	add("var/lib/dpkg/status", status.String())
	program := benchProgram()
	for i := 0; buf.Len() < 200<<20; i++ {
		add(fmt.Sprintf("usr/bin/program%02d", i), program)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
})

// benchProgram is the go command, or noise with a program's first bytes where there is none.
func benchProgram() string {
	if data, err := os.ReadFile(filepath.Join(os.Getenv("GOROOT"), "bin", "go")); err == nil {
		return string(data)
	}
	noise := make([]byte, 14<<20)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return "\x7fELF" + string(noise)
}

// BenchmarkTarWalk is the floor: the same stream, every entry skipped.
func BenchmarkTarWalk(b *testing.B) {
	data := benchLayer()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		walk := tar.NewReader(onlyReader{bytes.NewReader(data)})
		for {
			_, err := walk.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkScanLayer is to stay within 1.3 times BenchmarkTarWalk.
func BenchmarkScanLayer(b *testing.B) {
	src := &source{data: benchLayer()}
	b.SetBytes(int64(len(src.data)))
	b.ReportAllocs()
	var l *inventory.Layer
	for b.Loop() {
		var err error
		if l, err = inventory.ScanLayer(b.Context(), src.open, inventory.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	if inv := mustMerge(b, l); len(inv.Packages) < 2400 || src.opens.Load() != int32(b.N) {
		b.Fatalf("%d packages", len(inv.Packages))
	}
}

// BenchmarkMerge stacks the benchmark's layer and nine small ones.
func BenchmarkMerge(b *testing.B) {
	l, err := inventory.ScanLayer(b.Context(), (&source{data: benchLayer()}).open, inventory.Options{})
	if err != nil {
		b.Fatal(err)
	}
	layers := []*inventory.Layer{l}
	digests := []string{"sha256:0"}
	for i := range 9 {
		layers = append(layers, scanItems(b, text("usr/bin/x", "x"), whiteoutOf("app/node_modules", fmt.Sprintf("module-%04d", i))))
		digests = append(digests, "sha256:1")
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inventory.Merge(b.Context(), layers, digests); err != nil {
			b.Fatal(err)
		}
	}
}
