package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

func TestDenialSaysWhatTheContractSays(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	code, answer, header := g.send(podReview("CREATE", []string{"nginx:1.19"}, nil, ""))
	if code != http.StatusOK || header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %v", code, header)
	}
	if !strings.Contains(answer, `"status":{"code":403,"message":"`) || strings.Contains(answer, `"patch"`) {
		t.Errorf("the status has more than code and message, or there is a patch: %s", answer)
	}
	response := g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, `,"dryRun":true`))
	if response.Allowed || response.UID != "u-1" || response.Result.Code != 403 || response.Result.Reason != "" || response.Patch != nil {
		t.Errorf("response %+v, status %+v", response, response.Result)
	}
	line, rest, _ := strings.Cut(response.Result.Message, "\n")
	if line != firstLine {
		t.Errorf("first line\n got %s\nwant %s", line, firstLine)
	}
	for _, want := range []string{"nginx:1.19", "libssl1.1", "1.1.1d-0+deb10u6", "1.1.1d-0+deb10u7", "CVE-2021-3711", "critical"} {
		if !strings.Contains(rest, want) {
			t.Errorf("the details lack %q:\n%s", want, rest)
		}
	}
	for key := range response.AuditAnnotations {
		if strings.Contains(key, "/") {
			t.Errorf("audit annotation %q has a slash", key)
		}
	}
	if got := fmt.Sprint(g.counts.reviews); got != "[2 deny violation false 2 deny violation true]" {
		t.Errorf("counted %s", got)
	}
}

func TestDecisionIsStoredButNotThatOfADryRun(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, `,"dryRun":true`))
	g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, ""))
	d := g.one()
	if d.Trigger != "K8s admission controller" || d.ReviewUID != "u-1" || d.Kind != "Pod" || d.Namespace != "shop" || d.Name != "web" || d.User != "ann" ||
		d.Operation != "CREATE" || d.PolicyID != "2" || d.Verdict != policy.VerdictDeny || d.Allowed || d.Duration <= 0 {
		t.Errorf("decision %+v", d)
	}
	if len(d.Images) != 1 || d.Images[0].Reference != "nginx:1.19" || !strings.HasPrefix(d.Images[0].Digest, "sha256:") || d.Images[0].FeedRevision != "r1" || len(d.Images[0].Violations) != 1 {
		t.Errorf("images %+v", d.Images)
	}
	line := g.log.String()
	for _, want := range []string{`"uid":"u-1"`, `"kind":"Pod"`, `"namespace":"shop"`, `"name":"web"`, `"operation":"CREATE"`, `"dryRun":false`, `"policy":"2"`, `"verdict":"deny"`, `"images":["nginx:1.19 sha256:`, `"duration":"`} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %s: %s", want, line)
		}
	}
	if strings.Contains(line, goodToken) {
		t.Error("the log has the token")
	}
}

func TestWhatIsAllowedWithoutAScan(t *testing.T) {
	t.Parallel()
	never := scannerFunc(func(_ context.Context, r scan.Request) (*scan.Report, error) {
		return nil, fmt.Errorf("%s was scanned", r.Reference)
	})
	service := strings.Replace(podReview("CREATE", []string{"x"}, nil, ""), `"kind":"Pod"`, `"kind":"Service"`, 1)
	tests := []struct{ name, body, reason, warning string }{
		{"update without a new image", podReview("UPDATE", []string{"nginx:1.19"}, []string{"nginx:1.19"}, ""), "unchanged", ""},
		{"update that removes an image", podReview("UPDATE", []string{"a"}, []string{"a", "nginx:1.19"}, ""), "unchanged", ""},
		{"delete", podReview("DELETE", nil, []string{"nginx:1.19"}, ""), "operation", ""},
		{"connect", podReview("CONNECT", []string{"nginx:1.19"}, nil, ""), "operation", ""},
		{"a kind without a pod template", service, "no-pod-template", "runecast: Service names no image: allowed without a review"},
		{"the pause image", podReview("CREATE", []string{"registry.k8s.io/pause:3.10"}, nil, ""), "compliant", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, never)
			response := g.review(test.body)
			if !response.Allowed || strings.Join(response.Warnings, "\n") != test.warning {
				t.Errorf("allowed %v, warnings %q", response.Allowed, response.Warnings)
			}
			if d := g.one(); d.Reason != test.reason {
				t.Errorf("reason %s, want %s", d.Reason, test.reason)
			}
		})
	}
}

func TestUpdateJudgesNewImagesAlone(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	if response := g.review(podReview("UPDATE", []string{"nginx:1.19", "good:2"}, []string{"nginx:1.19", "good:1"}, "")); !response.Allowed {
		t.Errorf("the old image is not what the update brings: %s", response.Result.Message)
	}
	if response := g.review(podReview("UPDATE", []string{"nginx:1.19"}, []string{"good:1"}, "")); response.Allowed {
		t.Error("a vulnerable image came in with an update")
	}
	deleting := strings.Replace(podReview("UPDATE", []string{"nginx:1.19"}, []string{"good:1"}, ""), `"name":"web","namespace":"shop"}`, `"name":"web","namespace":"shop","deletionTimestamp":"2026-01-01T00:00:00Z"}`, 1)
	if response := g.review(deleting); response.Allowed {
		t.Error("a deletion timestamp let a new image in")
	}
}

func TestUnknownIsJudgedByTheSwitches(t *testing.T) {
	t.Parallel()
	failure := func(kind scan.Kind, remedy string) scan.Scanner {
		return scannerFunc(func(_ context.Context, r scan.Request) (*scan.Report, error) {
			return nil, &scan.Error{Kind: kind, Image: r.Reference, Remedy: remedy, Err: errors.New("cause of it")}
		})
	}
	tests := []struct {
		name, reason string
		scanner      scan.Scanner
		want         []string
	}{
		{"pending", "pending", failure(scan.KindPending, "the scan goes on; retry in a moment"), []string{"retry in a moment"}},
		{"registry down", "unscannable", failure(scan.KindUnreachable, "check the registry"), []string{"image app:1: unreachable: cause of it", "check the registry"}},
		{"no feed", "no-feed", failure(scan.KindNoFeed, "runecast feed build"), []string{"runecast feed build"}},
		{"an error of no kind", "unscannable", scannerFunc(func(context.Context, scan.Request) (*scan.Report, error) { return nil, errors.New("surprise") }), []string{"surprise", "log"}},
		{"panic", "unscannable", scannerFunc(func(context.Context, scan.Request) (*scan.Report, error) { panic("boom") }), []string{"an internal error", "log"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, test.scanner)
			response := g.review(podReview("CREATE", []string{"app:1"}, nil, ""))
			if response.Allowed {
				t.Fatal("unknown was taken for safe")
			}
			rest, ok := strings.CutPrefix(response.Result.Message, unknownLine+"\n")
			if !ok {
				t.Errorf("message\n got %s\nwant the beginning %s", response.Result.Message, unknownLine)
			}
			for _, want := range test.want {
				if !strings.Contains(rest, want) {
					t.Errorf("the details lack %q:\n%s", want, rest)
				}
			}
			if d := g.one(); d.Reason != test.reason || d.Verdict != policy.VerdictUnknown {
				t.Errorf("reason %s, verdict %s", d.Reason, d.Verdict)
			}
			if strings.Contains(test.name, "panic") && g.counts.panics != 1 {
				t.Errorf("%d panics were counted", g.counts.panics)
			}
		})
	}
}

func TestAnswerComesBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	hang := scannerFunc(func(ctx context.Context, r scan.Request) (*scan.Report, error) {
		<-ctx.Done()
		return nil, &scan.Error{Kind: scan.KindPending, Image: r.Reference, Remedy: "the scan goes on; retry in a moment", Err: ctx.Err()}
	})
	g := newGate(t, hang)
	began := time.Now()
	response := g.review(podReview("CREATE", []string{"slow:1"}, nil, ""), func(r *http.Request) { r.URL.RawQuery = "timeout=2s" })
	if took := time.Since(began); took < 1400*time.Millisecond || took >= 2*time.Second {
		t.Errorf("the answer came after %v, not 500 ms before the timeout of 2 s", took)
	}
	if response.Allowed || !strings.Contains(response.Result.Message, "retry in a moment") {
		t.Errorf("answer %+v", response.Result)
	}
}

func TestWorstImageAndPlatformCount(t *testing.T) {
	t.Parallel()
	perPlatform := scannerFunc(func(_ context.Context, r scan.Request) (*scan.Report, error) {
		switch {
		case r.Platform == "linux/s390x":
			return nil, &scan.Error{Kind: scan.KindNoPlatform, Image: r.Reference, Remedy: "build it"}
		case r.Reference == "windows:1" && r.Platform == "windows/amd64":
			return report(r.Reference, openssl()), nil
		case r.Platform == "linux/arm64" && r.Reference == "mixed:1":
			return report(r.Reference, openssl()), nil
		default:
			return report(r.Reference), nil
		}
	})
	g := newGate(t, perPlatform, func(_ *admission.HandlerConfig, r *admission.ReviewerConfig) {
		r.Platforms = []string{"linux/amd64", "linux/arm64", "linux/s390x"}
	})
	if !g.review(podReview("CREATE", []string{"good:1"}, nil, "")).Allowed {
		t.Error("a platform that the image has not, and so never runs on, counted")
	}
	if g.review(podReview("CREATE", []string{"good:1", "mixed:1", "good:2"}, nil, "")).Allowed {
		t.Error("the bad platform of one of three images did not count")
	}
	pinned := strings.Replace(podReview("CREATE", []string{"mixed:1"}, nil, ""), `"spec":{`, `"spec":{"nodeSelector":{"kubernetes.io/arch":"amd64"},`, 1)
	if !g.review(pinned).Allowed {
		t.Error("a pod that runs on amd64 alone was judged by arm64")
	}
	windows := strings.Replace(podReview("CREATE", []string{"windows:1"}, nil, ""), `"spec":{`, `"spec":{"os":{"name":"windows"},`, 1)
	if g.review(windows).Allowed {
		t.Error("a Windows pod was judged by the image's Linux variant")
	}
	lost := strings.Replace(podReview("CREATE", []string{"good:1"}, nil, ""), `"spec":{`, `"spec":{"nodeSelector":{"kubernetes.io/arch":"s390x"},`, 1)
	if response := g.review(lost); response.Allowed || !strings.Contains(response.Result.Message, "no-platform") {
		t.Errorf("a platform that the image has not: %+v", response.Result)
	}
}

func TestOldFeedIsSaid(t *testing.T) {
	t.Parallel()
	old := scannerFunc(func(ctx context.Context, r scan.Request) (*scan.Report, error) {
		out, _ := byName(ctx, r)
		out.Feed.Date = time.Now().Add(-93*24*time.Hour - time.Minute)
		return out, nil
	})
	g := newGate(t, old)
	if message := g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, "")).Result.Message; !strings.Contains(message, ", 93 days old") {
		t.Errorf("denial without the feed's age: %s", message)
	}
	if warnings := g.review(podReview("CREATE", []string{"good:1"}, nil, "")).Warnings; len(warnings) != 1 || !strings.Contains(warnings[0], ", 93 days old") {
		t.Errorf("approval without the feed's age: %q", warnings)
	}
}

func TestManyImagesAndAMillionContainers(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	var images []string
	for i := range 201 {
		images = append(images, fmt.Sprintf("app:%d", i))
	}
	response := g.review(podReview("CREATE", images, nil, ""))
	if response.Allowed || !strings.Contains(response.Result.Message, "the object names 201 images, of which at most 200 are reviewed") {
		t.Errorf("201 images: %+v", response.Result)
	}
	if !g.review(podReview("CREATE", images[:200], nil, "")).Allowed {
		t.Error("200 images are not too many")
	}
	million := strings.Replace(podReview("CREATE", []string{"good:1"}, nil, ""), `{"name":"c0","image":"good:1"}`, strings.Repeat(`{"image":"good:1"},`, 999_999)+`{"image":"nginx:1.19"}`, 1)
	if response := g.review(million); response.Allowed || !strings.HasPrefix(response.Result.Message, firstLine) {
		t.Errorf("the last of a million containers was not seen: %+v", response.Result)
	}
	var distinct strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&distinct, `{"image":"a:%d"},`, i)
	}
	million = strings.Replace(podReview("CREATE", []string{"good:1"}, nil, ""), `{"name":"c0","image":"good:1"}`, distinct.String()+`{"image":"b"}`, 1)
	if response := g.review(million); response.Allowed || !strings.Contains(response.Result.Message, "the object names 1000001 images, of which at most 200 are reviewed") {
		t.Errorf("a million images: %+v", response.Result)
	}
}
