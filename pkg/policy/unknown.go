package policy

import (
	"fmt"
	"slices"
	"time"
)

// The switches, as policies and results name them.
const (
	switchPending       = "onPending"
	switchUnscannable   = "onUnscannable"
	switchNoFeed        = "onNoFeed"
	switchStaleFeed     = "onStaleFeed"
	switchUnknownDistro = "onUnknownDistro"
	switchEndOfLife     = "onEndOfLife"
)

// action gives the setting of a switch.
func (p *Policy) action(name string) Action {
	switch name {
	case switchPending:
		return p.OnPending
	case switchNoFeed:
		return p.OnNoFeed
	case switchStaleFeed:
		return p.OnStaleFeed
	case switchUnknownDistro:
		return p.OnUnknownDistro
	case switchEndOfLife:
		return p.OnEndOfLife
	}
	return p.OnUnscannable
}

func (ev *evaluation) unknown(name, cause, remedy string) {
	ev.result.Unknown = append(ev.result.Unknown, Unknown{Switch: name, Action: ev.policy.action(name), Cause: clean(cause, maxClause), Remedy: clean(remedy, maxClause)})
}

// unknowns collects every reason why the findings may not be all there is to know.
func (ev *evaluation) unknowns() {
	s := ev.subject
	switch s.Outcome {
	case OutcomeScanned:
		ev.staleFeed()
		ev.distribution()
		ev.lackingLists()
	case OutcomePending:
		ev.unknown(switchPending, orText(s.Cause, "the scan of the image is not done yet"), orText(s.Remedy, "try again in a moment: the scan goes on"))
	case OutcomeNoFeed:
		ev.unknown(switchNoFeed, orText(s.Cause, "there is no vulnerability data"), orText(s.Remedy, "import a feed with `runecast feed import`"))
	case OutcomeUnscannable:
		ev.unknown(switchUnscannable, orText(s.Cause, "the image could not be scanned"), orText(s.Remedy, "see the server's log for the scan of this image"))
	default:
		ev.unknown(switchUnscannable, orText(s.Cause, fmt.Sprintf("the scan ended in an unknown way (%q)", clean(string(s.Outcome), maxField))), orText(s.Remedy, "see the server's log for the scan of this image"))
	}
	for _, reason := range s.Unread {
		ev.unknown(switchUnscannable, "not all packages of the image are known: "+reason,
			"use a base image whose packages can be read (dpkg, apk, rpm), exempt the image, or set onUnscannable in the policy")
	}
	for i := range s.Uncovered {
		ev.uncovered(s.Uncovered[i].Ecosystem, s.Uncovered[i].Packages)
	}
	ev.failedExpressions()
	ev.uncertain()
}

func orText(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

// staleFeed compares the feed's date with maxFeedAge. A feed without a date is as old as can be.
func (ev *evaluation) staleFeed() {
	limit := ev.policy.MaxFeedAge
	if limit == 0 {
		return
	}
	const remedy = "update the feed with `runecast feed build` and `runecast feed import`"
	date := ev.subject.FeedDate
	if date.IsZero() {
		ev.unknown(switchStaleFeed, fmt.Sprintf("the date of the vulnerability data is not known and the policy allows %s", limit), remedy)
		return
	}
	if age := ev.now.Sub(date); age > time.Duration(limit) {
		ev.unknown(switchStaleFeed, fmt.Sprintf("the vulnerability data is of %s, %s old; the policy allows %s", date.UTC().Format(time.DateOnly), Duration(age.Truncate(time.Hour)), limit), remedy)
	}
}

// lackingLists says which lists the rules ask about and the feed has not: without them nothing would ever match.
func (ev *evaluation) lackingLists() {
	names := map[string]string{
		ListKEV: "the list of known exploited vulnerabilities", ListEPSS: "the list of exploit prediction scores", ListRatings: "ratings of severity",
	}
	options := map[string]string{ListKEV: "--kev …", ListEPSS: "--epss …", ListRatings: "--nvd … --cve …"}
	for _, list := range ev.policy.compiled.lists {
		if slices.Contains(ev.subject.FeedLacks, list) {
			ev.unknown(switchNoFeed, "the feed was built without "+names[list]+", which the policy asks about", "build it with `runecast feed build "+options[list]+"`")
		}
	}
}

// unknownDistribution is how reports name the ecosystem of packages whose distribution is not known.
const unknownDistribution = "unknown distribution"

func (ev *evaluation) uncovered(ecosystem string, packages int) {
	if ecosystem == "" || ecosystem == unknownDistribution {
		ev.unknownDistro(packages)
		return
	}
	ecosystem = clean(ecosystem, maxField)
	ev.unknown(switchNoFeed, fmt.Sprintf("the feed has no data for %s, of which the image has %s", ecosystem, plural(packages, "package")),
		"add "+ecosystem+" to the feed with `runecast feed build --osv …`")
}

// failedExpressions turns CEL errors into unknowns: what could not be decided is not compliant.
func (ev *evaluation) failedExpressions() {
	for i := range ev.failed {
		run := &ev.failed[i]
		if run.count == 0 {
			continue
		}
		where := clean(run.first.ID, maxField) + " in " + clean(run.first.Package.Name, maxField)
		if run.count > 1 {
			where += fmt.Sprintf(" and %d more findings", run.count-1)
		}
		ev.unknown(switchUnscannable, fmt.Sprintf("rule %q could not be decided for %s: %s", ev.policy.compiled.rules[i].name, where, clean(run.err.Error(), maxName)),
			"correct the rule's cel expression in policy "+ev.policy.ID)
	}
}
