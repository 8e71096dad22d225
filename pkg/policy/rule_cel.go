package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"github.com/runecast/runecast/pkg/advisory"
)

const (
	maxExpression      = 4096   // code points of one expression
	maxExpressionError = 600    // runes of what is wrong with one
	maxDepth           = 50     // of its syntax tree
	maxCost            = 10_000 // of one evaluation, in CEL's units: a few times what a list of aliases takes
)

// celCondition is a compiled expression. Programs are safe for concurrent use.
type celCondition struct{ program cel.Program }

// expression compiles the CEL condition of a rule and checks that it gives a bool.
func (c *compiler) expression(r *Rule, path string) *celCondition {
	if r.CEL == "" {
		return nil
	}
	path += ".cel"
	if c.cel == nil {
		env, err := newCELEnv()
		if !c.check(path, err) {
			return nil
		}
		c.cel = env
	}
	ast, issues := c.cel.env.Compile(r.CEL)
	if err := issues.Err(); err != nil {
		c.failf(path, "does not compile: %s", celIssues(issues))
		return nil
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		c.failf(path, "gives a value of type %s: it must give a bool", ast.OutputType())
		return nil
	}
	program, err := c.cel.env.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		c.failf(path, "does not compile: %v", err)
		return nil
	}
	return &celCondition{program: program}
}

// celIssues joins compile errors into one line, each with its place in the expression.
func celIssues(issues *cel.Issues) string {
	var parts []string
	for _, e := range issues.Errors() {
		parts = append(parts, fmt.Sprintf("%d:%d: %s", e.Location.Line(), e.Location.Column()+1, strings.Join(strings.Fields(e.Message), " ")))
	}
	text := strings.Join(parts, "; ")
	if strings.Contains(text, "reserved identifier: package") {
		text += "; the variable is called pkg, as package is a reserved word of CEL"
	}
	return clean(text, maxExpressionError)
}

// eval gives the expression's value for one finding. An error is a value that is missing, a cost over the limit, or a wrong use
// of a dynamic value: it could not be decided.
func (c *celCondition) eval(f *advisory.Finding, image *celImage, now time.Time) (bool, error) {
	out, _, err := c.program.Eval(&celActivation{finding: f, image: image, now: now})
	if err != nil {
		return false, err
	}
	value, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("gave %s instead of a bool", out.Type().TypeName())
	}
	return value, nil
}

// celActivation resolves the variables without building maps.
type celActivation struct {
	finding *advisory.Finding
	image   *celImage
	now     time.Time
}

// ResolveName gives a variable's value.
func (a *celActivation) ResolveName(name string) (any, bool) {
	switch name {
	case "finding", "pkg": // the package's fields are read through its finding
		return a.finding, true
	case "image":
		return a.image, true
	case "now":
		return a.now, true
	}
	return nil, false
}

// Parent is nil: there is one scope.
func (a *celActivation) Parent() cel.Activation { return nil }
