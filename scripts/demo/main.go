// Command demo shows runecast at work with no network at all: a registry in this process serves an image with the packages of
// nginx:1.19 and its updated twin, a real server on loopback judges both by policy 2, and the verdicts are printed as kubectl
// would show them. FEEDS may name a directory of vulnerability data; without it a single record of the demo's own serves.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, os.Getenv("FEEDS"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
