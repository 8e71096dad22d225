package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// outputFlag is the -o flag of commands that print results.
type outputFlag struct{ format string }

const outputJSON = "json"

func (o *outputFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "output `format`: json, or nothing for a table")
	completions := cobra.FixedCompletions([]string{outputJSON}, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", completions); err != nil {
		panic(err) // the flag was added on the line before
	}
}

// print writes a value as JSON or lets tabulate write it as a table.
func (o *outputFlag) print(w io.Writer, value any, tabulate func(*table)) error {
	switch o.format {
	case outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		return nil
	case "":
		return printTable(w, tabulate)
	default:
		return fmt.Errorf("output format %q is not known: use json, or leave -o out for a table", o.format)
	}
}

func printTable(w io.Writer, tabulate func(*table)) error {
	var b bytes.Buffer
	t := &table{writer: tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)}
	tabulate(t)
	if err := t.writer.Flush(); err != nil {
		return fmt.Errorf("lay a table out: %w", err)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write a table: %w", err)
	}
	return nil
}

// table prints rows in aligned columns.
type table struct{ writer *tabwriter.Writer }

// row prints one row. Control characters in the cells, which may come from an image, do not reach the terminal.
func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	_, _ = fmt.Fprintln(t.writer, strings.Join(cells, "\t")) // Flush reports write errors
}

// printable replaces control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '�'
		}
		return r
	}, text)
}

// short cuts a cell to a width in runes.
func short(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
