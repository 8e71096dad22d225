package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	bin   string // the programs
	feeds string // real vulnerability data
	work  string // images, feeds and caches; kept between runs
	runs  int
	rows  int    // of the large feed; 0: none
	table string // of known differences
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say bench or diff")
	}
	switch { // the parts of a comparison that are processes of their own
	case args[0] == "floor" && len(args) == 2:
		return walk(ctx, args[1])
	case args[0] == "serve" && len(args) == 3:
		return serve(ctx, args[1], args[2])
	case args[0] != "bench" && args[0] != "diff":
		return fmt.Errorf("%q is no command: say bench or diff", args[0])
	}
	var s settings
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&s.bin, "bin", "", "`directory` of runecast, grype, syft, osv-scanner and grypedb")
	flags.StringVar(&s.feeds, "feeds", "", "`directory` of vulnerability data, with osv/<Ecosystem>/all.zip")
	flags.StringVar(&s.work, "work", "", "`directory` for images and databases")
	if args[0] == "diff" {
		flags.StringVar(&s.table, "table", "docs/peers.md", "`file` with the table of known differences")
	} else {
		flags.IntVar(&s.runs, "runs", 5, "`number` of times that each program runs")
		flags.IntVar(&s.rows, "rows", 0, "measure with a feed of that `number` of rows too")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	for _, dir := range []*string{&s.bin, &s.feeds, &s.work} {
		absolute, err := filepath.Abs(*dir)
		if err != nil || *dir == "" {
			return fmt.Errorf("-bin, -feeds and -work are needed (%w)", err)
		}
		*dir = absolute
	}
	lab, err := newLab(ctx, &s)
	if err != nil {
		return err
	}
	defer lab.close()
	if args[0] == "diff" {
		return lab.diff(ctx)
	}
	return lab.bench(ctx)
}
