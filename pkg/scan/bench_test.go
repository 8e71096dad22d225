package scan_test

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

// The variables by which a benchmark tells a child process what to do, so that time and peak memory are those of one cold scan
// and not of the registry and the image's making.
const (
	envMode  = "RUNECAST_BENCH_MODE" // scan, floor
	envImage = "RUNECAST_BENCH_IMAGE"
	envFeed  = "RUNECAST_BENCH_FEED"
)

// BenchmarkColdScan scans a 200 MB image from a loopback registry in a process of its own, beside a process that only unzips
// the same layers from the same registry and walks their tars, with the same number of layers at a time.
func BenchmarkColdScan(b *testing.B) {
	img, layers := bigLayers()
	reg := imagetest.NewRegistry()
	b.Cleanup(reg.Close)
	ref := reg.MustPush(b.Context(), "big:1", img)
	feed := feedFile(b, opensslFeed("1"))
	var scanned, floor result
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		f := runChild(b, "floor", ref, feed)
		b.StartTimer()
		s := runChild(b, "scan", ref, feed)
		scanned, floor = scanned.plus(s), floor.plus(f)
	}
	n := float64(b.N)
	b.ReportMetric(scanned.seconds/n, "s/scan")
	b.ReportMetric(floor.seconds/n, "s/floor")
	b.ReportMetric(scanned.seconds/floor.seconds, "x-floor")
	b.ReportMetric(scanned.cpu/floor.cpu, "x-floor-cpu")
	var stored int64
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			b.Fatal(err)
		}
		stored += size
	}
	b.ReportMetric(float64(stored)/1e6, "MB-image")
	b.ReportMetric(scanned.peakMB, "MB-peak")
	b.ReportMetric(floor.peakMB, "MB-peak-floor")
}

// BenchmarkFloor unzips and walks the layers in this process, one after the other: from the registry and from memory.
func BenchmarkFloor(b *testing.B) {
	img, layers := bigLayers()
	reg := imagetest.NewRegistry()
	b.Cleanup(reg.Close)
	ref := reg.MustPush(b.Context(), "big:1", img)
	b.Run("registry", func(b *testing.B) {
		for b.Loop() {
			if err := floor(b.Context(), ref, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			for _, l := range layers {
				body, err := l.Compressed()
				if err != nil {
					b.Fatal(err)
				}
				if err := walk(body); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkWarmScan is what a review of a known image costs.
func BenchmarkWarmScan(b *testing.B) {
	bench := newBench(b)
	ref := bench.reg.MustPush(b.Context(), "nginx:1.19", imagetest.Nginx119())
	bench.report(b, ref)
	for b.Loop() {
		bench.report(b, ref)
	}
}

// bigLayers makes an image of about 200 MB compressed: a Debian base and application layers, files from 256 bytes to 256 KB, of which
// some are npm packages and Python distributions, whose content compresses as programs and texts do.
func bigLayers() (v1.Image, []v1.Layer) {
	sizes := []int{260, 120, 50, 20} // MB uncompressed
	layers := make([]v1.Layer, len(sizes))
	var group sync.WaitGroup
	for i, size := range sizes {
		group.Go(func() {
			files := content(uint64(i), size<<20)
			if i == 0 {
				files = append(files, imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\n"),
					imagetest.Text(imagetest.DpkgStatusPath, imagetest.DpkgStatus(imagetest.Nginx119Packages()...)))
			}
			layers[i] = imagetest.Layer(files...)
		})
	}
	group.Wait()
	return imagetest.Image(layers...), layers
}

func content(seed uint64, total int) []imagetest.File {
	random := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 4000)
	for i := range words {
		words[i] = strconv.FormatUint(random.Uint64(), 36)[:3+random.IntN(8)]
	}
	var files []imagetest.File
	for n, made := 0, 0; made < total; n++ {
		size := 1 << (8 + random.IntN(11))
		body := make([]byte, 0, size+64)
		for len(body) < size {
			if random.IntN(40) == 0 {
				for range 4 {
					body = append(body, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()))
				}
				continue
			}
			body = append(append(body, words[random.IntN(len(words))]...), ' ')
		}
		made += len(body)
		dir := fmt.Sprintf("usr/lib/l%d/d%d", seed, n/50)
		switch n % 25 {
		case 0:
			files = append(files, imagetest.Text(fmt.Sprintf("%s/node_modules/p%d/package.json", dir, n), fmt.Sprintf(`{"name": "p%d", "version": "1.0.%d"}`, n, n)))
		case 1:
			files = append(files, imagetest.Text(fmt.Sprintf("%s/site-packages/q%d-1.0.dist-info/METADATA", dir, n), fmt.Sprintf("Metadata-Version: 2.1\nName: q%d\nVersion: 1.0\n", n)))
		}
		files = append(files, imagetest.File{Path: fmt.Sprintf("%s/f%d", dir, n), Body: body, Mode: int64(0o644 + n%2*0o111)})
	}
	return files
}

// result is what a child process measures of itself.
type result struct{ seconds, cpu, peakMB float64 }

func (r result) plus(other result) result {
	return result{r.seconds + other.seconds, r.cpu + other.cpu, max(r.peakMB, other.peakMB)}
}

func runChild(b *testing.B, mode, ref, feed string) result {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), envMode+"="+mode, envImage+"="+ref, envFeed+"="+feed)
	out, err := cmd.Output()
	var r result
	if err == nil {
		_, err = fmt.Sscanf(string(out), "%g %g", &r.seconds, &r.peakMB)
	}
	if err != nil {
		b.Fatalf("%s: %v: %s", mode, err, out)
	}
	r.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return r
}

func child(mode string) error {
	ctx := context.Background()
	ref := os.Getenv(envImage)
	begin := time.Now()
	switch mode {
	case "scan":
		if err := childScan(ctx, ref); err != nil {
			return err
		}
	case "floor":
		if err := floor(ctx, ref, 3); err != nil {
			return err
		}
	default:
		return fmt.Errorf("mode %q", mode)
	}
	seconds := time.Since(begin).Seconds()
	peak, err := peakMB()
	if err != nil {
		return err
	}
	fmt.Println(seconds, peak)
	return nil
}

func childScan(ctx context.Context, ref string) error {
	ix, err := advisory.Open(os.Getenv(envFeed))
	if err != nil {
		return err
	}
	feed := &feedOfMoment{}
	feed.set(ix)
	puller, err := image.NewPuller(image.Options{Keychain: authn.NewMultiKeychain(), AllowNetworks: []string{"127.0.0.0/8"}})
	if err != nil {
		return err
	}
	engine, err := scan.NewEngine(scan.Options{Images: puller, Feeds: feed})
	if err != nil {
		return err
	}
	r, err := engine.Scan(ctx, scan.Request{Reference: ref})
	if err != nil {
		return err
	}
	if len(r.Findings) != 2 || r.Packages < 900 {
		return fmt.Errorf("%d findings in %d packages", len(r.Findings), r.Packages)
	}
	return errors.Join(engine.Wait(ctx), ix.Close())
}

// floor is the least that any scanner has to do: fetch, unzip, walk.
func floor(ctx context.Context, ref string, parallel int) error {
	puller, err := image.NewPuller(image.Options{Keychain: authn.NewMultiKeychain(), AllowNetworks: []string{"127.0.0.0/8"}})
	if err != nil {
		return err
	}
	img, err := puller.Resolve(ctx, ref, "")
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(parallel)
	host, repository, _ := strings.Cut(strings.TrimSuffix(ref, ":1"), "/")
	for _, l := range img.Layers {
		group.Go(func() error { return walkURL(ctx, "http://"+host+"/v2/"+repository+"/blobs/"+l.Digest) })
	}
	return group.Wait()
}

func walk(stored io.Reader) error {
	zr, err := gzip.NewReader(bufio.NewReaderSize(stored, 128<<10))
	if err != nil {
		return err
	}
	for tr := tar.NewReader(zr); ; {
		if _, err := tr.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return err
		}
	}
}

// peakMB is the largest resident size that this process had, as Linux counts it.
func peakMB() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kb / 1000, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}

func walkURL(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return walk(resp.Body)
}
