package ui

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// view is what the frame of every page shows.
type view struct {
	Title  string
	User   *auth.User // nil: nobody is logged in
	Notice string     // why a form was refused
	Data   any        // of the page itself

	page string // the template, which render sets
}

// May is for templates: what a user may not do is not offered.
func (v view) May(action string) bool {
	if v.User == nil || v.User.MustChange {
		return false
	}
	switch action {
	case "scan":
		return v.User.Role.May(auth.ActionScan)
	case "manage":
		return v.User.Role.May(auth.ActionManage)
	}
	return v.User.Role.May(auth.ActionRead)
}

// shortDigest gives enough of a digest to tell it from others: sha256:0123456789ab.
func shortDigest(digest string) string {
	const enough = len("sha256:") + 12
	if len(digest) <= enough {
		return digest
	}
	return digest[:enough]
}

// took words a duration: 3 ms, 1.4 s, 2m5s.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// listing is a list of shares under a heading.
type listing struct {
	Head string
	Rows []share
}

// severityNames are the severities that lists choose by.
func severityNames() []string { return []string{"critical", "high", "medium", "low", "unknown"} }

// severityCount is a number of findings of one severity.
type severityCount struct {
	Name, Letter string
	Count        int
}

// parse reads the templates: each page within the frame. They are part of the program, so a fault is one of the program.
func parse() map[string]*template.Template {
	functions := template.FuncMap{
		"when": func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return t.UTC().Format("2006-01-02 15:04:05 UTC")
		},
		"machine":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"asset":      readAssets().address,
		"day":        func(t time.Time) string { return t.UTC().Format(dayLayout) },
		"listing":    func(head string, rows []share) listing { return listing{head, rows} },
		"short":      shortDigest,
		"took":       took,
		"megabytes":  func(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB" },
		"severities": severityNames,
		"severity": func(name string, count int) severityCount {
			letter := strings.ToUpper(name[:1])
			if name == "unknown" {
				letter = "?"
			}
			return severityCount{name, letter, count}
		},
		"percent": func(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + " %" },
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic("the program's templates cannot be listed: " + err.Error())
	}
	pages := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "frame" {
			continue
		}
		frame := template.New("frame.html").Funcs(functions)
		pages[name] = template.Must(frame.ParseFS(files, "templates/frame.html", file))
	}
	return pages
}

// render writes a page, whole or not at all.
func (s *server) render(w http.ResponseWriter, code int, page string, v view) {
	var b bytes.Buffer
	v.page = page
	if err := s.pages[page].Execute(&b, v); err != nil {
		s.Log.WithError(err).WithField("page", page).Error("a page cannot be made")
		http.Error(w, "This page cannot be made: see the server's log.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	if _, err := b.WriteTo(w); err != nil {
		s.Log.WithError(err).Debug("a page could not be written")
	}
}
