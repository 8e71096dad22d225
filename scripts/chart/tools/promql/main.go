// Command promql reads a file of Prometheus rules on standard input, checks it as Prometheus does, and prints what each expression asks
// for as JSON. It exits with 1 where something is wrong. e2e/chart runs it; it is a module of its own as Prometheus is a heavy one.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// selector is one choice of series in an expression.
type selector struct {
	Expression string   `json:"expression"`
	Metric     string   `json:"metric"`
	Labels     []string `json:"labels"` // that are matched, or that a surrounding aggregation groups by
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	p := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.Parse(text, false, model.LegacyValidation, p, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	found := []selector{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expression, err := p.ParseExpr(rule.Expr)
			if err != nil {
				return fmt.Errorf("%s: %w", rule.Expr, err)
			}
			parser.Inspect(expression, func(node parser.Node, above []parser.Node) error {
				if v, is := node.(*parser.VectorSelector); is {
					found = append(found, read(rule.Expr, v, above))
				}
				return nil
			})
		}
	}
	return json.NewEncoder(out).Encode(found)
}

func read(expression string, v *parser.VectorSelector, above []parser.Node) selector {
	s := selector{Expression: expression, Metric: v.Name, Labels: []string{}}
	for _, m := range v.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			s.Labels = append(s.Labels, m.Name)
		}
	}
	for _, node := range above {
		if a, is := node.(*parser.AggregateExpr); is {
			s.Labels = append(s.Labels, a.Grouping...)
		}
	}
	return s
}
