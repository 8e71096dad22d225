package app_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

type vulnerabilityRow struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Images   int    `json:"images"`
	Fixable  int    `json:"fixable"`
}

// TestVulnerabilitiesOverREST denies an image, lets it in by a policy that only records, and finds it by what it has.
func TestVulnerabilitiesOverREST(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.serve()
	for _, path := range []string{reviewPath, "/rc2/api/v2/k8s-admission-policy-review/policy/5"} {
		if code, answer := s.do(http.MethodPost, path, podReview(h.vulnerable)); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
	}
	var list struct {
		Vulnerabilities []vulnerabilityRow `json:"vulnerabilities"`
		Next            string             `json:"nextCursor"`
	}
	until(t, "the image is found by what it has", func() bool {
		s.get("/api/v1/vulnerabilities?severity=critical&fixable=true", &list)
		return len(list.Vulnerabilities) > 0
	})
	worst := list.Vulnerabilities[0]
	if worst.Severity != "critical" || worst.Images != 1 || worst.Fixable != 1 {
		t.Errorf("%+v", worst)
	}
	var found struct {
		vulnerabilityRow
		Aliases        []string `json:"aliases"`
		AffectedImages []struct {
			Reference    string    `json:"imageName"`
			LastAdmitted time.Time `json:"lastAdmitted"`
			Namespaces   []string  `json:"namespaces"`
			Packages     []struct {
				Name  string `json:"package"`
				Fixed string `json:"fixedVersion"`
			} `json:"packages"`
		} `json:"affectedImages"`
	}
	until(t, "both decisions are stored", func() bool {
		s.get("/api/v1/vulnerabilities/"+url.PathEscape(worst.ID), &found)
		return len(found.AffectedImages) == 1 && len(found.AffectedImages[0].Namespaces) == 1
	})
	image := found.AffectedImages[0]
	if found.ID != worst.ID || image.Reference != h.vulnerable || image.LastAdmitted.IsZero() || image.Namespaces[0] != "shop" || image.Packages[0].Name == "" || image.Packages[0].Fixed == "" {
		t.Errorf("%+v", found)
	}
	for _, alias := range found.Aliases {
		var same vulnerabilityRow
		if s.get("/api/v1/vulnerabilities/"+url.PathEscape(alias), &same); same.ID != worst.ID {
			t.Errorf("alias %s gives %s", alias, same.ID)
		}
	}
	var overview struct {
		Verdicts []struct {
			Deny int `json:"deny"`
		} `json:"verdicts"`
		Today           struct{ Allow, Deny int }     `json:"today"`
		Vulnerabilities []struct{ Name string }       `json:"vulnerabilities"`
		AtRisk          struct{ Images, Flipped int } `json:"imagesAtRisk"`
	}
	s.get("/api/v1/overview?days=2&hours=6", &overview)
	buckets := 0
	for _, bucket := range overview.Verdicts {
		buckets += bucket.Deny
	}
	if buckets != 2 || overview.Today.Deny > 2 || len(overview.Vulnerabilities) == 0 || overview.AtRisk.Images != 1 || overview.AtRisk.Flipped != 0 {
		t.Errorf("%+v", overview)
	}
	var risks struct {
		Images []struct {
			PolicyID string `json:"policyId"`
		} `json:"images"`
	}
	if s.get("/api/v1/images-at-risk", &risks); len(risks.Images) != 1 || risks.Images[0].PolicyID != "5" {
		t.Errorf("%+v", risks)
	}
}
