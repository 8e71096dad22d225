package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/web"
)

// apiOperation is what the page of the REST interface says of one operation.
type apiOperation struct {
	ID, Method, Path, Summary, Description string
	Parameters                             []apiParameter
	Body                                   *apiBody // nil: it takes none
	Answers                                []apiAnswer
	Curl                                   string
	Changes                                bool // it is no GET
}

type apiParameter struct {
	apiField
	In       string   // path or query
	Choices  []string // of an enumeration
	Input    string   // the type of its input
	Fallback string   // what counts where it is left out
}

type apiBody struct {
	Example string // JSON, to begin with
	Fields  []apiField
}

// apiField is a part of a request or answer: its name has the names of what it stands in before it.
type apiField struct {
	Name, Type, Text string
	Required         bool
}

type apiAnswer struct {
	Code, Text, Type string
	Fields           []apiField
}

type apiGroup struct {
	Name       string
	Operations []apiOperation
}

type apiPage struct {
	Groups  []apiGroup
	OpenAPI string // address of the description for programs
	Version string
}

// api shows what the REST interface can do, and lets one try it. The answers come to the browser by the interface itself, for a token that is typed
// in: the page's session counts for nothing there.
func (s *server) api(w http.ResponseWriter, _ *http.Request, user *auth.User) error {
	page := apiPage{OpenAPI: web.Prefix + "/openapi.json", Version: s.Version, Groups: apiGroups(s.API)}
	s.render(w, http.StatusOK, "api", view{Title: "REST interface", User: user, Data: page})
	return nil
}

// apiGroups lists the operations by their first tag, in the order of paths.
func apiGroups(api *huma.OpenAPI) []apiGroup {
	groups := map[string][]apiOperation{}
	for path, item := range api.Paths {
		for method, o := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if o == nil || o.Hidden {
				continue
			}
			tag := "more"
			if len(o.Tags) > 0 {
				tag = o.Tags[0]
			}
			groups[tag] = append(groups[tag], describeOperation(schemas{api.Components.Schemas}, method, path, o))
		}
	}
	var list []apiGroup
	for name, operations := range groups {
		slices.SortFunc(operations, func(a, b apiOperation) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
		})
		list = append(list, apiGroup{name, operations})
	}
	slices.SortFunc(list, func(a, b apiGroup) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func describeOperation(known schemas, method, path string, o *huma.Operation) apiOperation {
	out := apiOperation{
		ID: o.OperationID, Method: method, Path: path, Summary: o.Summary, Description: o.Description, Changes: method != http.MethodGet,
	}
	for _, p := range o.Parameters {
		if p == nil || p.Schema == nil || p.In != "path" && p.In != "query" {
			continue
		}
		out.Parameters = append(out.Parameters, describeParameter(known, p))
	}
	if o.RequestBody != nil && o.RequestBody.Content["application/json"] != nil {
		schema := o.RequestBody.Content["application/json"].Schema
		out.Body = &apiBody{Example: known.example(schema), Fields: known.fields(schema)}
	}
	for code, response := range o.Responses {
		answer := apiAnswer{Code: code, Text: response.Description}
		for kind, content := range response.Content {
			answer.Type = kind
			if strings.HasPrefix(code, "2") && content.Schema != nil {
				answer.Fields = known.fields(content.Schema)
			}
		}
		out.Answers = append(out.Answers, answer)
	}
	slices.SortFunc(out.Answers, func(a, b apiAnswer) int { return strings.Compare(a.Code, b.Code) })
	out.Curl = curl(&out)
	return out
}

func describeParameter(known schemas, p *huma.Param) apiParameter {
	schema := known.resolve(p.Schema)
	out := apiParameter{
		apiField: apiField{Name: p.Name, Type: known.kind(schema), Text: cmp.Or(p.Description, schema.Description), Required: p.Required},
		In:       p.In, Input: "text", Fallback: plain(schema.Default),
	}
	for _, choice := range schema.Enum {
		out.Choices = append(out.Choices, plain(choice))
	}
	if schema.Type == huma.TypeBoolean {
		out.Choices = []string{"true", "false"}
	}
	if schema.Type == huma.TypeInteger || schema.Type == huma.TypeNumber {
		out.Input = "number"
	}
	return out
}

// curl is the command that does the same; the token and the server's address are the shell's variables.
func curl(o *apiOperation) string {
	command := `curl -sH "Authorization: Bearer $TOKEN" `
	if o.Method != http.MethodGet && (o.Method != http.MethodPost || o.Body == nil) {
		command += "-X " + o.Method + " "
	}
	if o.Body != nil {
		command += `-H 'Content-Type: application/json' -d @body.json `
	}
	return command + `"$RUNECAST` + o.Path + `"`
}
