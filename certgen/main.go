// Command certgen issues, renews and rotates the certificates of runecast, and keeps the webhook configurations in step with them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/runecast/runecast/certgen/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
