package admission

import (
	"strings"

	"github.com/runecast/runecast/pkg/policy"
)

// ScanURL is the page of a decision; "" where it is not known where the pages are.
func ScanURL(publicURL, decisionID string) string {
	if publicURL == "" {
		return ""
	}
	return publicURL + "/scans/" + decisionID
}

// link tells in an answer where its page is. In a denial that is the second line: the first is the one that clients know, and the
// end gets lost where Kubernetes keeps the first kilobyte alone, as in events. Of warnings it is the first, since the last are left
// out where there are too many.
func (r *Reviewer) link(response *Response, decision *Decision) {
	page := ScanURL(r.PublicURL, decision.ID)
	if page == "" || decision.Verdict == policy.VerdictAllow {
		return
	}
	if !response.Allowed {
		first, rest, more := strings.Cut(decision.Message, "\n")
		decision.Message = first + "\nDetails: " + page
		if more {
			decision.Message += "\n" + rest
		}
		response.Message = decision.Message
		return
	}
	if len(response.Warnings) > 0 {
		response.Warnings = policy.LimitWarnings(append([]string{"runecast: details: " + page}, response.Warnings...))
	}
}
