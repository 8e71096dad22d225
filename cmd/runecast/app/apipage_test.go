package app_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestRESTPage finds every operation of the interface's description on its page, with a form of each parameter, for everybody who is logged in.
func TestRESTPage(t *testing.T) {
	t.Parallel()
	s := newHome(t).serve()
	admin := s.logIn("admin", s.oneTime())
	page := admin.addReader().get("/api", http.StatusOK, "It takes API tokens alone", `href="/api/v1/openapi.json"`, "<noscript>")
	forms := map[string]map[string]bool{} // by method and path, the names of inputs
	ids := map[string]int{}
	var form map[string]bool
	for node := range parsePage(t, page).Descendants() {
		attributes := map[string]string{}
		for _, a := range node.Attr {
			attributes[a.Key] = a.Val
		}
		if id := attributes["id"]; id != "" {
			ids[id]++
		}
		switch {
		case node.Type != html.ElementNode:
		case attributes["data-method"] != "":
			form = map[string]bool{}
			forms[attributes["data-method"]+" "+attributes["data-path"]] = form
			if attributes["action"] != "" {
				t.Error("a form is sent without the script")
			}
		case attributes["data-name"] != "":
			form[attributes["data-name"]] = true
		case node.Data == "textarea":
			form["the body"] = true
		}
	}
	operations := s.operations()
	if len(operations) < 15 || len(forms) != len(operations) {
		t.Errorf("%d operations, %d forms", len(operations), len(forms))
	}
	for _, o := range operations {
		found, ok := forms[o.method+" "+o.path]
		if !ok {
			t.Errorf("the page lacks %s %s", o.method, o.path)
		}
		for _, p := range o.Parameters {
			if (p.In == "path" || p.In == "query") && !found[p.Name] {
				t.Errorf("%s %s lacks the parameter %s", o.method, o.path, p.Name)
			}
		}
		if (o.RequestBody != nil) != found["the body"] {
			t.Errorf("%s %s: body %v", o.method, o.path, found)
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("the id %s is there %d times", id, n)
		}
	}
	for _, text := range []string{"&#34;imageNames&#34;: [\n    &#34;nginx:1.23.2&#34;\n  ]", "one of Success, Failed, Running", `curl -sH &#34;Authorization: Bearer $TOKEN&#34; -X DELETE &#34;$RUNECAST/api/v1/tokens/{id}&#34;`} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
	script := admin.get("/static/api.js", http.StatusOK, `credentials: "omit"`)
	for _, never := range []string{"innerHTML", "localStorage", "sessionStorage", "document.cookie", "eval("} {
		if strings.Contains(script, never) {
			t.Errorf("the script uses %s", never)
		}
	}
}

func parsePage(tb testing.TB, page string) *html.Node {
	tb.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

// apiOperation is one of the interface's description.
type apiOperation struct {
	method, path string
	Parameters   []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
	RequestBody *struct{}      `json:"requestBody"`
	Responses   map[string]any `json:"responses"`
}

// operations reads them all of the running server.
func (s *served) operations() []apiOperation {
	s.t.Helper()
	var description struct {
		Paths map[string]map[string]apiOperation `json:"paths"`
	}
	s.get("/api/v1/openapi.json", &description)
	var list []apiOperation
	for path, methods := range description.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			list = append(list, o)
		}
	}
	return list
}
