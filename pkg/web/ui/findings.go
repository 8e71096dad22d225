package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/web"
)

// findingsOnPage is how many findings of one image a page shows.
const findingsOnPage = 200

// findingRow is a finding as the page of a scan shows it.
type findingRow struct {
	*advisory.Finding
	Link   string // of its vulnerability's page
	Rule   string // that it breaks; "" where it breaks none, or is not among those that the decision repeats
	Exempt string // why the policy passes over it; "" where it does not
	Add    string // address of the form for an exemption of it; "" where there is none for this user
}

// findingGroup are findings that one layer brought, or all.
type findingGroup struct {
	Layer  string // digest of the layer; "" for all, or where no layer is known
	Counts web.Counts
	Rows   []findingRow
}

// findingList is a choice of findings of an image.
type findingList struct {
	Severity, Text, Sort string // the filters and the order, as they were asked for
	Fixable              string // yes, no or ""
	ByLayer              bool
	All, Found           int // how many there are, and how many are like that
	Groups               []findingGroup
	First, Last          int // position of the first and the last that are shown, from 1
	Before, Next         string
	Clear                string            // the address without filters
	By                   map[string]string // addresses of the orders
	Position             int               // of the image in its scan
}

// readFindings chooses findings as a page's query asks for.
func readFindings(q url.Values, d *admission.Decision, position int, all []advisory.Finding) (*findingList, error) {
	list := &findingList{
		Severity: q.Get("severity"), Fixable: q.Get("fixable"), Text: strings.TrimSpace(q.Get("q")), Sort: q.Get("sort"), ByLayer: q.Get("by") == "layer",
		All: len(all), Position: position, By: map[string]string{},
	}
	if len(list.Text) > maxFilter {
		return nil, problem{http.StatusUnprocessableEntity, "The text to search for is too long."}
	}
	var chosen []*advisory.Finding
	for i := range all {
		if list.wants(&all[i]) {
			chosen = append(chosen, &all[i])
		}
	}
	list.Found = len(chosen)
	list.order(chosen)
	path := scansPath + "/" + url.PathEscape(d.ID)
	image := strconv.Itoa(position)
	page, _ := strconv.Atoi(q.Get("page")) // what is no number is the first page
	page = min(max(page, 1), max(1, (len(chosen)+findingsOnPage-1)/findingsOnPage))
	first := (page - 1) * findingsOnPage
	last := min(first+findingsOnPage, len(chosen))
	address := func(pairs ...string) string {
		return with(path, q, append([]string{"image", image, "page", ""}, pairs...)...) + "#findings"
	}
	if list.First, list.Last = first+1, last; first > 0 {
		list.Before = address("page", strconv.Itoa(page-1))
	}
	if last < len(chosen) {
		list.Next = address("page", strconv.Itoa(page+1))
	}
	for _, sort := range []string{"", "epss", "package", "id"} {
		list.By[sort] = address("sort", sort)
	}
	list.Clear = path + "?image=" + image + "#findings"
	list.group(findingRows(d, position, chosen[first:last]))
	return list, nil
}

// offer gives each row the address of the form for an exemption of it, form being that of the image.
func (l *findingList) offer(form string) {
	for i := range l.Groups {
		for j := range l.Groups[i].Rows {
			row := &l.Groups[i].Rows[j]
			row.Add = form + "&" + url.Values{"id": {row.ID}, "package": {row.Package.Name}}.Encode()
		}
	}
}

// wants tells whether a finding is among those that are asked for.
func (l *findingList) wants(f *advisory.Finding) bool {
	severity := f.Severity.String()
	if f.Severity == advisory.SeverityNone { // as counts have it
		severity = advisory.SeverityLow.String()
	}
	if l.Severity != "" && l.Severity != severity || l.Fixable == "yes" && !f.Fixable() || l.Fixable == "no" && f.Fixable() {
		return false
	}
	if l.Text == "" {
		return true
	}
	text := strings.ToLower(l.Text)
	for _, field := range append([]string{f.ID, f.Advisory, f.Package.Name, f.Package.Source, f.Package.Path, f.Summary}, f.Aliases...) {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return false
}

// order sorts findings, which come with the worst first.
func (l *findingList) order(findings []*advisory.Finding) {
	var compare func(a, b *advisory.Finding) int
	switch l.Sort {
	case "epss":
		compare = func(a, b *advisory.Finding) int { return cmp.Compare(probability(b), probability(a)) }
	case "package":
		compare = func(a, b *advisory.Finding) int { return cmp.Compare(a.Package.Name, b.Package.Name) }
	case "id":
		compare = func(a, b *advisory.Finding) int { return cmp.Compare(b.ID, a.ID) }
	default:
		l.Sort = ""
		return
	}
	slices.SortStableFunc(findings, compare)
}

// probability puts what is not rated last.
func probability(f *advisory.Finding) float64 {
	if f.EPSS == nil {
		return -1
	}
	return f.EPSS.Probability
}

// group keeps rows together that one layer brought, where that is asked for: the layer with the worst first.
func (l *findingList) group(rows []findingRow) {
	if !l.ByLayer {
		l.Groups = []findingGroup{{Rows: rows}}
		return
	}
	at := map[string]int{}
	for _, row := range rows {
		n, known := at[row.Package.Layer]
		if !known {
			n = len(l.Groups)
			at[row.Package.Layer] = n
			l.Groups = append(l.Groups, findingGroup{Layer: row.Package.Layer})
		}
		g := &l.Groups[n]
		g.Rows = append(g.Rows, row)
		count(&g.Counts, row.Severity)
	}
	slices.SortStableFunc(l.Groups, func(a, b findingGroup) int {
		return cmp.Or(cmp.Compare(b.Counts.Critical, a.Counts.Critical), cmp.Compare(b.Counts.High, a.Counts.High), cmp.Compare(len(b.Rows), len(a.Rows)))
	})
}

func count(c *web.Counts, severity advisory.Severity) {
	switch severity {
	case advisory.SeverityCritical:
		c.Critical++
	case advisory.SeverityHigh:
		c.High++
	case advisory.SeverityMedium:
		c.Medium++
	case advisory.SeverityLow, advisory.SeverityNone:
		c.Low++
	case advisory.SeverityUnknown:
		c.Unknown++
	}
}

// nameOf tells findings of one image from each other.
func nameOf(f *advisory.Finding) string {
	return f.ID + " " + f.Package.Name + " " + f.Package.Version + " " + f.Package.Path
}

func findingRows(d *admission.Decision, position int, findings []*advisory.Finding) []findingRow {
	image := &d.Images[position]
	exempt, broken := map[string]string{}, map[string]string{}
	for i := range image.Exempted {
		e := &image.Exempted[i]
		if f := e.Violation.Finding; f != nil {
			why := e.Reason
			if e.VEX != "" {
				why = "VEX " + e.VEX + ": " + why
			}
			exempt[nameOf(f)] = why
		}
	}
	for i := range image.Violations {
		if f := image.Violations[i].Finding; f != nil {
			broken[nameOf(f)] = image.Violations[i].Rule
		}
	}
	query := url.Values{"scan": {d.ID}, "image": {strconv.Itoa(position)}}.Encode()
	rows := make([]findingRow, 0, len(findings))
	for _, f := range findings {
		name := nameOf(f)
		rows = append(rows, findingRow{Finding: f, Exempt: exempt[name], Rule: broken[name], Link: "/vulnerabilities/" + url.PathEscape(f.ID) + "?" + query})
	}
	return rows
}
