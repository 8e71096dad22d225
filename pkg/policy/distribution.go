package policy

import (
	"fmt"

	"github.com/runecast/runecast/pkg/lifecycle"
)

// distribution judges the support of the image's distribution. One past its end is a fact, and a violation where the policy denies
// it; that nobody can tell is an unknown. A warning is one either way: the findings are as good as the advisories are.
//
// The default is to warn. Advisories of a distribution that nobody mends any more go quiet, so that few findings mean little; but
// images of one run everywhere, and a policy named after critical vulnerabilities must not begin to deny them on a date.
func (ev *evaluation) distribution() {
	d, action := &ev.subject.Distribution, ev.policy.OnEndOfLife
	if action == ActionAllow {
		return
	}
	switch d.Support(ev.now) {
	case lifecycle.SupportEndOfLife:
		detail := endOfLife(d)
		v, e := Violation{Rule: switchEndOfLife, Detail: detail}, ev.exemption(nil)
		switch {
		case action != ActionDeny && e == nil:
			ev.notices = append(ev.notices, detail)
		case action == ActionDeny && e == nil:
			ev.result.Violations = append(ev.result.Violations, v)
		case action == ActionDeny:
			ev.result.Exempted = append(ev.result.Exempted, e.record(v))
		}
	case lifecycle.SupportUnknown:
		cause := "whether " + clean(d.Name, maxField) + " is past its end of life is not known"
		if action == ActionDeny {
			ev.unknown(switchEndOfLife, cause, "use a newer version of this program, which may know the release, or set onEndOfLife in the policy")
		} else if d.Known { // of others onUnknownDistro has said all there is to say
			ev.notices = append(ev.notices, cause)
		}
	case lifecycle.SupportStandard, lifecycle.SupportExtended:
	}
}

// endOfLife is Debian GNU/Linux 9 (stretch) is past its end of life: support ended on 2020-07-18, extended support on 2022-06-30; ….
func endOfLife(d *lifecycle.Distribution) string {
	ended := "support ended on " + d.EndOfLife
	if d.ExtendedEnd != "" {
		ended += ", extended support on " + d.ExtendedEnd
	}
	return clean(d.Name, maxField) + " is past its end of life: " + ended + "; use a base image of a newer release"
}

// unknownDistro tells of packages of a distribution that no advisories name.
func (ev *evaluation) unknownDistro(packages int) {
	cause := "the distribution of " + plural(packages, "package") + " of the image is not known"
	if reason := ev.subject.Distribution.Reason; reason != "" {
		cause = fmt.Sprintf("%s, and so the vulnerabilities of %s are not known", clean(reason, maxName), plural(packages, "package"))
	}
	ev.unknown(switchUnknownDistro, cause,
		"use a base image of a distribution and release that OSV has advisories of, with /etc/os-release, or set onUnknownDistro in the policy")
}
