package scan_test

import (
	"errors"
	"testing"

	"github.com/runecast/runecast/pkg/image/imagetest"
	"github.com/runecast/runecast/pkg/scan"
)

func TestExamineGivesContentsAndReport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	x, err := b.Examine(t.Context(), scan.Request{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	r := b.report(t, ref)
	if x.NotJudged != nil || len(x.Contents.Inventory.Packages) != r.Packages || len(x.Report.Findings) != len(r.Findings) || len(r.Findings) == 0 ||
		x.Digest != r.Digest || x.Report.Feed.Revision != r.Feed.Revision {
		t.Errorf("the examination differs from the report: %+v, %+v", x, r)
	}
	b.reg.Inject(imagetest.Blob, 1000, imagetest.Status(500)) // what is stored is not read again
	again, err := b.Examine(t.Context(), scan.Request{Reference: ref})
	if err != nil || len(again.Contents.Inventory.Packages) != r.Packages || !again.Contents.ReadAt.Equal(x.Contents.ReadAt) {
		t.Errorf("from the store: %+v, %v", again, err)
	}
}

func TestExamineNeedsNoFeed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.feed.set(nil)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	x, err := b.Examine(t.Context(), scan.Request{Reference: ref})
	if err != nil {
		t.Fatal(err)
	}
	if x.Report != nil || x.NotJudged == nil || x.NotJudged.Kind != scan.KindNoFeed || len(x.Contents.Inventory.Packages) == 0 {
		t.Errorf("got %+v", x)
	}
}

func TestExamineErrorsAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := b.reg.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119())
	_, err := b.Examine(t.Context(), scan.Request{Reference: ref + "-none"})
	if named, ok := errors.AsType[*scan.Error](err); !ok || named.Kind != "not-found" {
		t.Errorf("no such tag: %v", err)
	}
	b.reg.Inject(imagetest.Blob, 1000, imagetest.Status(404))
	if _, err = b.Examine(t.Context(), scan.Request{Reference: ref}); err == nil {
		t.Error("an image without its layers was examined")
	} else if _, ok := errors.AsType[*scan.Error](err); !ok {
		t.Errorf("an error without a kind: %v", err)
	}
}
