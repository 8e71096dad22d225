package scan_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

func TestDistributionThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "ubi:9", imagetest.Image(imagetest.Layer(
		imagetest.Text("etc/os-release", "ID=rhel\nVERSION_ID=9.4\n"), imagetest.Text("usr/lib/opkg/status", "9"))))
	r := b.report(t, ref)
	if want := "usr/lib/opkg/status: the package manager that it belongs to is not supported"; strings.Join(r.Unread, "|") != want {
		t.Errorf("unread %q, want %q", r.Unread, want)
	}
}

func TestContentsOfAnotherVersionAreReadAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	digest := b.report(t, ref).Digest
	eventually(t, "the inventory is stored", func() bool { return b.stores.has("inventory " + digest) })
	b.stores.mu.Lock()
	old := b.stores.data["inventory "+digest]
	b.stores.data["inventory "+digest] = bytes.Replace(old, []byte(`"format":7`), []byte(`"format":0`), 1)
	b.stores.mu.Unlock()
	b.feed.set(newFeed(t, opensslFeed("2")))
	if r := b.report(t, ref); len(r.Findings) == 0 || b.metrics.get("hit inventory") != 0 {
		t.Errorf("%d findings, counts %v", len(r.Findings), b.metrics.counts)
	}
}
