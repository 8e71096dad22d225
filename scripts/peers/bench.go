package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
)

// bench measures all programs on all images, with the real data and, where asked for, with a large copy of it.
func (l *lab) bench(ctx context.Context) error {
	given, err := l.prepare(ctx, "real", l.feeds)
	if err != nil {
		return err
	}
	for _, image := range []string{large, small, scratch} {
		if failed := l.compare(ctx, image, given, "the real data"); failed != nil {
			return failed
		}
	}
	if failed := l.shared(ctx, given); failed != nil {
		return failed
	}
	if l.rows == 0 {
		return nil
	}
	feeds := filepath.Join(l.work, fmt.Sprintf("feeds-%d", l.rows))
	if err = multiply(l.feeds, feeds, l.rows); err != nil {
		return fmt.Errorf("make data of %d rows: %w", l.rows, err)
	}
	many, err := l.prepare(ctx, strconv.Itoa(l.rows), feeds)
	if err != nil {
		return err
	}
	return l.compare(ctx, large, many, fmt.Sprintf("%d rows", l.rows))
}

// compare runs the programs in turn, so that whatever else the machine does meets them alike, and prints medians.
func (l *lab) compare(ctx context.Context, image string, d data, title string) error {
	programs := append(l.programs(image, d), l.floor(image))
	costs := map[string][]cost{}
	for range l.runs {
		for i := range programs {
			c, err := programs[i].measure(ctx)
			if err != nil {
				return err
			}
			costs[programs[i].name] = append(costs[programs[i].name], c)
		}
	}
	return l.print(os.Stdout, image, title, costs)
}

func (l *lab) print(w io.Writer, image, title string, costs map[string][]cost) error {
	of := l.Images[image]
	fmt.Fprintf(w, "\nimage %s (%d layers, %d MB compressed), %s, medians of %d runs\n", image, of.Layers, of.Bytes>>20, title, l.runs)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "program\twall s\tCPU s\tpeak MB\twall x\tCPU x\tpeak x\t")
	ours := median(costs[runecast])
	for _, name := range []string{runecast, grype, syft, osvScanner, floorName} {
		c := median(costs[name])
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%d\t%.2f\t%.2f\t%.2f\t\n", name, c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20,
			c.wall.Seconds()/ours.wall.Seconds(), c.cpu.Seconds()/ours.cpu.Seconds(), float64(c.peak)/float64(ours.peak))
	}
	return table.Flush()
}

// shared measures a second image on a base that was scanned before.
func (l *lab) shared(ctx context.Context, d data) error {
	var first, second []cost
	for range l.runs {
		run := l.programs(large, d)[0]
		c, err := run.measure(ctx)
		if err != nil {
			return err
		}
		first = append(first, c)
		run = l.programs(sibling, d)[0]
		run.cold = "" // what the first one found is kept
		if c, err = run.measure(ctx); err != nil {
			return err
		}
		second = append(second, c)
	}
	a, b := median(first), median(second)
	fmt.Printf("\nrunecast: a second image on the same base %.3f s after a first of %.3f s: %.0f times faster\n",
		b.wall.Seconds(), a.wall.Seconds(), a.wall.Seconds()/b.wall.Seconds())
	return nil
}
