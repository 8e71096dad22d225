package ui

import (
	"slices"

	"github.com/runecast/runecast/pkg/auth"
)

// entry is one of the navigation.
type entry struct {
	Path, Label string
	Action      auth.Action // of which a role must be capable for it to be shown
	Pages       []string    // the templates that belong to it, its own first
}

// entries are the navigation, in the order that it has. A page that is to be found by it adds its line here.
func entries() []entry {
	return []entry{
		{"/", "Overview", auth.ActionRead, []string{"overview", "risk"}},
		{scansPath, "Image Scanning", auth.ActionRead, []string{"scans", "scan", "running"}},
		{vulnerabilitiesPath, "Vulnerabilities", auth.ActionRead, []string{"vulnerabilities", "vulnerability"}},
		{"/policies", "Policies", auth.ActionRead, []string{"policies", "policy", "policyform", "policydelete"}},
		{exemptionsPath, "Exemptions", auth.ActionRead, []string{"exemptions", "exemptionform"}},
		{"/webhooks", "Webhooks", auth.ActionRead, []string{"webhooks"}},
		{"/notifications", "Notifications", auth.ActionRead, []string{"notifications"}},
		{"/tokens", "API tokens", auth.ActionManage, []string{"tokens"}},
		{"/api", "REST interface", auth.ActionRead, []string{"api"}},
		{"/users", "Users", auth.ActionManage, []string{"users"}},
		{"/audit", "Audit log", auth.ActionManage, []string{"audit"}},
	}
}

// link is an entry as a page shows it.
type link struct {
	Path, Label string
	Current     string // aria-current: page for the page itself, true for one below it, else empty
}

// Navigation is for templates: the entries that the user may see.
func (v view) Navigation() []link {
	if v.User == nil || v.User.MustChange {
		return nil
	}
	var list []link
	for _, e := range entries() {
		if !v.User.Role.May(e.Action) {
			continue
		}
		l := link{Path: e.Path, Label: e.Label}
		switch at := slices.Index(e.Pages, v.page); {
		case at == 0:
			l.Current = "page"
		case at > 0:
			l.Current = "true"
		}
		list = append(list, l)
	}
	return list
}
