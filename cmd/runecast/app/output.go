package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// outputFlag is the -o flag of commands that print results.
type outputFlag struct {
	format string
	more   []string // formats beside the two that every command has, which the command itself writes
}

const (
	outputJSON  = "json"
	outputTable = "table"
)

// add adds the flag to a command, which may have more formats than the others.
func (o *outputFlag) add(cmd *cobra.Command, more ...string) {
	o.more = more
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "output `format`: "+strings.Join(slices.Concat([]string{outputJSON}, more), ", ")+", or nothing for a table")
	completions := cobra.FixedCompletions(slices.Concat([]string{outputTable, outputJSON}, more), cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", completions); err != nil {
		panic(err) // the flag was added on the line before
	}
}

// isTable tells whether a table was asked for, by its name or by nothing.
func (o *outputFlag) isTable() bool { return o.format == "" || o.format == outputTable }

// isMore tells whether it is one of the command's own formats.
func (o *outputFlag) isMore() bool { return slices.Contains(o.more, o.format) }

// check refuses a format that is not known, for commands that work long before they print.
func (o *outputFlag) check() error {
	if o.isTable() || o.isMore() || o.format == outputJSON {
		return nil
	}
	return fmt.Errorf("output format %q is not known: use %s, or leave -o out for a table", o.format, strings.Join(slices.Concat([]string{outputJSON}, o.more), ", "))
}

// print writes a value as JSON or lets tabulate write it as a table.
func (o *outputFlag) print(w io.Writer, value any, tabulate func(*table)) error {
	switch {
	case o.isTable():
		return printTable(w, tabulate)
	case o.format == outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		return nil
	default:
		return o.check()
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

// wrapped prints one row on as many lines as its last cell needs with a width in runes; words that are longer stay whole.
func (t *table) wrapped(width int, cells ...string) {
	last := len(cells) - 1
	line := ""
	for word := range strings.FieldsSeq(cells[last]) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			t.row(append(slices.Clone(cells[:last]), line)...)
			clear(cells[:last])
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	t.row(append(slices.Clone(cells[:last]), line)...)
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
