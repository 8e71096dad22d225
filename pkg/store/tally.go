package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
)

const (
	microsPerHour = int64(time.Hour / time.Microsecond)
	microsPerDay  = 24 * microsPerHour
	// deniedDays is how many days back what denied is kept, beside today.
	deniedDays = 31
)

// Kinds of terms, and of what denies.
const (
	termImage  = "image"
	termDigest = "digest"
	termName   = "name"
	termUser   = "user"

	deniedRule          = "rule"
	deniedVulnerability = "vulnerability"
	deniedPackage       = "package"
)

// named is something of a kind.
type named struct{ kind, name string }

func compareNamed(a, b named) int {
	return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
}

type hourVerdict struct {
	hour    int64
	verdict string
}

type deniedDay struct {
	named

	day int64
}

type digestPolicy struct{ digest, policy string }

type digestNamespace struct{ digest, namespace string }

// verdictRow is a row of image_verdicts.
type verdictRow struct {
	reference, verdict string
	at, admittedAt     int64
	admitted           bool
}

// tally is what decisions add to what is counted, or take away where they are deleted: sign is 1 or -1. It is written at the end of their
// transaction in one order, so that no two transactions wait for each other.
type tally struct {
	sign       int64
	terms      map[named][]int64 // the scans that have one
	hours      map[hourVerdict]int64
	denied     map[deniedDay]int64
	verdicts   map[digestPolicy]verdictRow
	namespaces map[digestNamespace]int64
}

func newTally(sign int64) *tally {
	return &tally{
		sign: sign, terms: map[named][]int64{}, hours: map[hourVerdict]int64{}, denied: map[deniedDay]int64{},
		verdicts: map[digestPolicy]verdictRow{}, namespaces: map[digestNamespace]int64{},
	}
}

// add counts a decision that names images, of which seq is the scan's number.
func (t *tally) add(d *admission.Decision, seq int64) {
	for _, term := range termsOf(d) {
		t.terms[term] = append(t.terms[term], seq)
	}
	at := d.At.UnixMicro()
	t.hours[hourVerdict{floor(at, microsPerHour), key(d.Verdict)}] += t.sign
	for _, denied := range deniedBy(d) {
		t.denied[deniedDay{denied, floor(at, microsPerDay)}] += t.sign
	}
	if d.Trigger != admission.TriggerAdmission {
		return
	}
	for i := range d.Images {
		if image := &d.Images[i]; image.Digest != "" {
			t.review(d, image, at)
		}
	}
}

// review takes note of what a review said of an image.
func (t *tally) review(d *admission.Decision, image *admission.DecisionImage, at int64) {
	of := digestPolicy{key(image.Digest), key(d.PolicyID)}
	row, known := t.verdicts[of]
	if !known || at >= row.at {
		row.reference, row.verdict, row.at, row.admitted = key(image.Reference), key(image.Verdict), at, d.Allowed
	}
	if d.Allowed {
		row.admittedAt = max(row.admittedAt, at)
		in := digestNamespace{of.digest, key(d.Namespace)}
		t.namespaces[in] = max(t.namespaces[in], at)
	}
	t.verdicts[of] = row
}

// floor divides times, which may be before 1970, towards the past.
func floor(at, unit int64) int64 {
	n := at / unit
	if at%unit < 0 {
		n--
	}
	return n
}

// searchable is a text as searches compare it.
func searchable[T ~string](value T) string { return key(strings.ToLower(text(value))) }

// termsOf lists what a scan is searched by, each once.
func termsOf(d *admission.Decision) []named {
	var terms []named
	add := func(kind, text string) {
		if text != "" {
			terms = append(terms, named{kind, text})
		}
	}
	for i := range d.Images {
		add(termImage, searchable(d.Images[i].Reference))
		add(termDigest, key(d.Images[i].Digest))
	}
	add(termName, searchable(d.Name))
	add(termUser, searchable(d.User))
	slices.SortFunc(terms, compareNamed)
	return slices.Compact(terms)
}

// deniedBy lists the rules, vulnerabilities and packages that denied a scan, each once.
func deniedBy(d *admission.Decision) []named {
	if d.Verdict != policy.VerdictDeny {
		return nil
	}
	by := map[named]bool{}
	for i := range d.Images {
		for _, v := range d.Images[i].Violations {
			by[named{deniedRule, key(v.Rule)}] = true
			if v.Finding != nil {
				by[named{deniedVulnerability, key(v.Finding.ID)}] = true
				by[named{deniedPackage, key(v.Finding.Package.Name)}] = true
			}
		}
	}
	maps.DeleteFunc(by, func(n named, _ bool) bool { return n.name == "" })
	return slices.Collect(maps.Keys(by))
}

// write adds all to the database.
func (t *tally) write(ctx context.Context, tx *transaction) error {
	for _, write := range []func(context.Context, *transaction) error{t.writeTerms, t.writeHours, t.writeDenied, t.writeVerdicts, t.writeNamespaces} {
		if err := write(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// take takes what was counted away again. Verdicts of images and where they were let in are not counted, and stay until they are old.
func (t *tally) take(ctx context.Context, tx *transaction) error {
	for _, term := range slices.SortedFunc(maps.Keys(t.terms), compareNamed) {
		if _, err := tx.exec(ctx, `UPDATE terms SET uses = uses - $3 WHERE kind = $1 AND text = $2`, term.kind, term.name, int64(len(t.terms[term]))); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM terms WHERE kind = $1 AND text = $2 AND uses <= 0`, term.kind, term.name); err != nil {
			return err
		}
	}
	if err := t.writeHours(ctx, tx); err != nil {
		return err
	}
	for h := range t.hours {
		if _, err := tx.exec(ctx, `DELETE FROM scan_hours WHERE hour = $1 AND verdict = $2 AND scans <= 0`, h.hour, h.verdict); err != nil {
			return err
		}
	}
	if err := t.writeDenied(ctx, tx); err != nil {
		return err
	}
	for d := range t.denied {
		if _, err := tx.exec(ctx, `DELETE FROM denials WHERE kind = $1 AND name = $2 AND day = $3 AND scans <= 0`, d.kind, d.name, d.day); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) writeTerms(ctx context.Context, tx *transaction) error {
	var rows, links [][]any
	for _, term := range slices.SortedFunc(maps.Keys(t.terms), compareNamed) {
		rows = append(rows, []any{term.kind, term.name, int64(len(t.terms[term]))})
	}
	err := tx.eachOf(ctx, `INSERT INTO terms (kind, text, uses) VALUES $rows
		ON CONFLICT (kind, text) DO UPDATE SET uses = terms.uses + excluded.uses RETURNING id, kind, text`, make([]string, 3), rows, func(row *sql.Rows) error {
		var id int64
		var term named
		if err := row.Scan(&id, &term.kind, &term.name); err != nil {
			return err
		}
		for _, scan := range t.terms[term] {
			links = append(links, []any{id, scan})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.rowsOf(ctx, `INSERT INTO scan_terms (term, scan) VALUES $rows`, []string{"", ""}, links)
}

func (t *tally) writeHours(ctx context.Context, tx *transaction) error {
	hours := slices.SortedFunc(maps.Keys(t.hours), func(a, b hourVerdict) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), strings.Compare(a.verdict, b.verdict))
	})
	for _, h := range hours {
		if _, err := tx.exec(ctx, `INSERT INTO scan_hours (hour, verdict, scans) VALUES ($1, $2, $3)
			ON CONFLICT (hour, verdict) DO UPDATE SET scans = scan_hours.scans + excluded.scans`, h.hour, h.verdict, t.hours[h]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) writeDenied(ctx context.Context, tx *transaction) error {
	var rows [][]any
	for _, d := range slices.SortedFunc(maps.Keys(t.denied), func(a, b deniedDay) int {
		return cmp.Or(compareNamed(a.named, b.named), cmp.Compare(a.day, b.day))
	}) {
		rows = append(rows, []any{d.kind, d.name, d.day, t.denied[d]})
	}
	return tx.rowsOf(ctx, `INSERT INTO denials (kind, name, day, scans) VALUES $rows
		ON CONFLICT (kind, name, day) DO UPDATE SET scans = denials.scans + excluded.scans`, make([]string, 4), rows)
}

func (t *tally) writeVerdicts(ctx context.Context, tx *transaction) error {
	var rows [][]any
	for _, of := range slices.SortedFunc(maps.Keys(t.verdicts), func(a, b digestPolicy) int {
		return cmp.Or(strings.Compare(a.digest, b.digest), strings.Compare(a.policy, b.policy))
	}) {
		v := t.verdicts[of]
		rows = append(rows, []any{of.digest, of.policy, v.reference, v.at, v.admitted, v.admittedAt, v.verdict, v.verdict, v.at})
	}
	// What is older than what is there adds at most when the image was let in last.
	const newer = " = CASE WHEN excluded.decided_at >= image_verdicts.decided_at THEN excluded."
	set := []string{"admitted_at = CASE WHEN excluded.admitted_at > image_verdicts.admitted_at THEN excluded.admitted_at ELSE image_verdicts.admitted_at END"}
	for _, column := range []string{"reference", "decided_at", "admitted", "first_verdict", "verdict", "since"} {
		set = append(set, column+newer+column+" ELSE image_verdicts."+column+" END")
	}
	return tx.rowsOf(ctx, `INSERT INTO image_verdicts (digest, policy_id, reference, decided_at, admitted, admitted_at, first_verdict, verdict, since)
		VALUES $rows ON CONFLICT (digest, policy_id) DO UPDATE SET `+strings.Join(set, ", "), make([]string, 9), rows)
}

func (t *tally) writeNamespaces(ctx context.Context, tx *transaction) error {
	var rows [][]any
	for _, in := range slices.SortedFunc(maps.Keys(t.namespaces), func(a, b digestNamespace) int {
		return cmp.Or(strings.Compare(a.digest, b.digest), strings.Compare(a.namespace, b.namespace))
	}) {
		rows = append(rows, []any{in.digest, in.namespace, t.namespaces[in]})
	}
	return tx.rowsOf(ctx, `INSERT INTO image_namespaces (digest, namespace, admitted_at) VALUES $rows
		ON CONFLICT (digest, namespace) DO UPDATE SET admitted_at = excluded.admitted_at WHERE excluded.admitted_at > image_namespaces.admitted_at`, make([]string, 3), rows)
}

// keepFlip has an image that was reviewed by another feed than the one that inventories are matched at keep the verdict of that
// one's flip, where it is known: the review says what the flip has overtaken.
func keepFlip(ctx context.Context, tx *transaction, digest, began string) error {
	_, err := tx.exec(ctx, `UPDATE image_verdicts SET (verdict, since) = (
			SELECT f.to_verdict, f.at FROM flips AS f WHERE f.digest = image_verdicts.digest AND f.policy_id = image_verdicts.policy_id AND f.to_revision = $2
			ORDER BY f.at DESC LIMIT 1)
		WHERE digest = $1 AND EXISTS (SELECT 1 FROM flips AS f WHERE f.digest = image_verdicts.digest AND f.policy_id = image_verdicts.policy_id AND f.to_revision = $2
			AND EXISTS (SELECT 1 FROM decision_images AS i JOIN decisions AS d ON d.id = i.decision_id
				WHERE i.digest = f.digest AND d.policy_id = f.policy_id AND d.at = image_verdicts.decided_at AND i.feed_revision = f.from_revision))`, digest, began)
	return err
}

// flipVerdicts takes new flips over, in the order that tallies are written in.
func flipVerdicts(ctx context.Context, tx *sql.Tx, flips []rematch.Flip) error {
	for _, f := range slices.SortedFunc(slices.Values(flips), func(a, b rematch.Flip) int { //nolint:gocritic // hugeParam: as the package has it
		return cmp.Or(strings.Compare(a.Digest, b.Digest), strings.Compare(a.PolicyID, b.PolicyID), a.At.Compare(b.At))
	}) {
		if _, err := tx.ExecContext(ctx, `UPDATE image_verdicts SET verdict = $3, since = $4
			WHERE digest = $1 AND policy_id = $2 AND decided_at <= $4`, key(f.Digest), key(f.PolicyID), key(f.To), f.At.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}
