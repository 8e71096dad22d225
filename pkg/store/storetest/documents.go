package storetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/scan"
)

func testReportRoundTrip(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	want := Report(1, 200)
	must(t, s.PutReport(t.Context(), want))
	got, err := s.Report(t.Context(), want.Digest, want.Feed.Revision)
	must(t, err)
	equal(t, "report", got, want)
	utc(t, got.ScannedAt)
}

func testReportRevisions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first, second := Report(1, 1), Report(1, 2)
	second.Feed.Revision = "f2"
	must(t, s.PutReport(t.Context(), first))
	must(t, s.PutReport(t.Context(), second))
	again := Report(1, 3)
	must(t, s.PutReport(t.Context(), again))
	for revision, want := range map[string]*scan.Report{"f1": again, "f2": second} {
		got, err := s.Report(t.Context(), Digest(1), revision)
		must(t, err)
		equal(t, "report at "+revision, got, want)
	}
}

func testReportColumns(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	must(t, s.PutReport(t.Context(), Report(1, 2)))
	must(t, s.PutReport(t.Context(), Report(1, 10))) // critical, high, medium, low, none, unknown, critical, high, medium, low
	var platform string
	var scanned, packages int64
	var counts [6]int
	must(t, b.Raw(t, dsn).QueryRowContext(t.Context(), `SELECT platform, scanned_at, packages, critical, high, medium, low, negligible, unknown FROM reports`).
		Scan(&platform, &scanned, &packages, &counts[0], &counts[1], &counts[2], &counts[3], &counts[4], &counts[5]))
	if platform != "linux/amd64" || scanned != when().UnixMicro() || packages != 137 || counts != [6]int{2, 2, 2, 2, 1, 1} {
		t.Errorf("columns are %s, %d, %d, %v", platform, scanned, packages, counts)
	}
}

func testInventory(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	want := Contents()
	must(t, s.PutInventory(t.Context(), Digest(1), &scan.Contents{Platform: "old"}))
	must(t, s.PutInventory(t.Context(), Digest(1), want))
	must(t, s.PutInventory(t.Context(), Digest(2), &scan.Contents{Platform: "other"}))
	got, err := s.Inventory(t.Context(), Digest(1))
	must(t, err)
	equal(t, "contents", got, want)
}

// testLayer stores the layer of a small image and compares it as JSON, as only its own package sees its inside.
func testLayer(t *testing.T, b Backend) {
	t.Helper()
	var stream bytes.Buffer
	archive := tar.NewWriter(&stream)
	for name, body := range map[string]string{
		"var/lib/dpkg/status": "Package: libssl1.1\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 1.1.1d-0+deb10u6\n\n",
		"etc/os-release":      "ID=debian\nVERSION_ID=10\n",
		"tmp/.wh.gone":        "",
	} {
		must(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}))
		_, err := archive.Write([]byte(body))
		must(t, err)
	}
	must(t, archive.Close())
	layer, err := inventory.ScanLayer(t.Context(), func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(stream.Bytes())), nil
	}, inventory.Options{})
	must(t, err)
	want, err := json.Marshal(layer)
	must(t, err)
	if !strings.Contains(string(want), "libssl1.1") {
		t.Fatalf("the layer has no package: %s", want)
	}

	s := Open(t, b.New(t))
	must(t, s.PutLayer(t.Context(), Digest(1), &inventory.Layer{}))
	must(t, s.PutLayer(t.Context(), Digest(1), layer))
	read, err := s.Layer(t.Context(), Digest(1))
	must(t, err)
	got, err := json.Marshal(read)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("layer is %s, want %s", got, want)
	}
}

// testLayerFormat shows that what another version stored is read again from the registry, and no fault.
func testLayerFormat(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	must(t, s.PutLayer(t.Context(), Digest(1), &inventory.Layer{}))
	encoder, err := zstd.NewWriter(nil)
	must(t, err)
	defer encoder.Close()
	raw := b.Raw(t, dsn)
	for _, other := range []struct {
		document string
		damaged  bool
	}{{`{"format":999}`, false}, {`{"format":`, true}} {
		_, err = raw.ExecContext(t.Context(), `UPDATE layers SET document = $1`, encoder.EncodeAll([]byte(other.document), nil))
		must(t, err)
		layer, err := s.Layer(t.Context(), Digest(1))
		if layer != nil || (err != nil) != other.damaged {
			t.Errorf("a stored %s gives %v, %v", other.document, layer, err)
		}
	}
	must(t, s.PutLayer(t.Context(), Digest(1), &inventory.Layer{}))
	if layer, err := s.Layer(t.Context(), Digest(1)); layer == nil || err != nil {
		t.Errorf("a new one in its place gives %v, %v", layer, err)
	}
}

func testMissing(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	must(t, s.PutReport(t.Context(), Report(1, 1)))
	for _, missing := range [][2]string{{Digest(1), "f2"}, {Digest(2), "f1"}, {"", ""}, {"\x00", "\x00"}} {
		report, err := s.Report(t.Context(), missing[0], missing[1])
		if report != nil || err != nil {
			t.Errorf("report of %q: %v, %v", missing, report, err)
		}
	}
	if contents, err := s.Inventory(t.Context(), Digest(1)); contents != nil || err != nil {
		t.Errorf("inventory: %v, %v", contents, err)
	}
	if layer, err := s.Layer(t.Context(), Digest(1)); layer != nil || err != nil {
		t.Errorf("layer: %v, %v", layer, err)
	}
	if decision, err := s.Decision(t.Context(), "none"); decision != nil || err != nil {
		t.Errorf("decision: %v, %v", decision, err)
	}
	if tokens, err := s.Tokens(t.Context()); tokens == nil || len(tokens) != 0 || err != nil {
		t.Errorf("tokens: %#v, %v", tokens, err)
	}
}

func testNoKey(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	noDigest, noRevision, noID, noHash := Report(1, 1), Report(1, 1), Decision(1), sampleToken(1)
	noDigest.Digest, noRevision.Feed.Revision, noID.ID, noHash.Hash = "", "", "", nil
	for _, refused := range []struct {
		err  error
		want string
	}{
		{s.PutReport(t.Context(), nil), "store report: it needs a digest and a feed revision"},
		{s.PutReport(t.Context(), noDigest), "store report: it needs a digest and a feed revision"},
		{s.PutReport(t.Context(), noRevision), "store report: it needs a digest and a feed revision"},
		{s.PutInventory(t.Context(), "", Contents()), `store inventory of "": it has no digest`},
		{s.PutInventory(t.Context(), Digest(1), nil), "store inventory: there is none"},
		{s.PutLayer(t.Context(), "", &inventory.Layer{}), `store layer "": it has no digest`},
		{s.PutLayer(t.Context(), Digest(1), nil), "store layer: there is none"},
		{s.CreateDecision(t.Context(), noID), "create decision: it has no id"},
		{s.CreateToken(t.Context(), noHash), "create token: it needs an id and a hash"},
	} {
		if refused.err == nil || refused.err.Error() != refused.want {
			t.Errorf("error is %v, want %s", refused.err, refused.want)
		}
	}
}

func testDamaged(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	must(t, s.PutReport(t.Context(), Report(1, 1)))
	_, err := b.Raw(t, dsn).ExecContext(t.Context(), `UPDATE reports SET document = $1`, []byte("no zstd"))
	must(t, err)
	report, err := s.Report(t.Context(), Digest(1), "f1")
	want := "read report of " + Digest(1) + " at feed revision f1: the stored document is damaged: decompress: "
	if report != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("report %v, error %v, want %s", report, err, want)
	}
}
