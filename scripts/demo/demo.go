package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

const webhook = "deny-fixed-critical-and-medium.runecast.com"

// demo plays the whole scene and cleans up after itself.
func demo(ctx context.Context, feeds string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "runecast-demo")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := &player{dir: dir, out: out}

	registry := imagetest.NewRegistry()
	defer registry.Close()
	vulnerable, _, err := registry.Push(ctx, "library/nginx:1.19", imagetest.Nginx119())
	if err != nil {
		return fmt.Errorf("push the vulnerable image: %w", err)
	}
	fixed, _, err := registry.Push(ctx, "library/nginx:1.19-fixed", imagetest.Nginx119Fixed())
	if err != nil {
		return fmt.Errorf("push the fixed image: %w", err)
	}
	p.say("A registry on loopback serves two images with the packages of nginx:1.19, as shipped and as updated.")
	if problem := p.buildFeed(ctx, feeds); problem != nil {
		return problem
	}
	token, err := p.runecast(ctx, "token", "create", "--name", "demo", "--quiet")
	if err != nil {
		return err
	}
	server, err := startServer(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	for i, image := range []string{vulnerable, fixed} {
		answer, err := server.review(ctx, strings.TrimSpace(token), fmt.Sprintf("web-%d", i+1), image)
		if err != nil {
			return err
		}
		p.say("\n$ kubectl run web-%d --image=%s", i+1, image)
		for _, warning := range answer.Response.Warnings {
			p.say("Warning: %s", warning)
		}
		if answer.Response.Allowed {
			p.say("pod/web-%d created", i+1)
		} else {
			p.say("Error from server: admission webhook %q denied the request: %s", webhook, answer.Response.Status.Message)
		}
	}
	return nil
}

// player runs commands of the program and tells what happens.
type player struct {
	dir string
	out io.Writer
}

func (p *player) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...) // nobody watches
}

// runecast runs one command of the program, in this process, and gives what it prints.
func (p *player) runecast(ctx context.Context, args ...string) (string, error) {
	var out, errOut bytes.Buffer
	args = append([]string{"--data-dir", p.dir, "--log-level", "error"}, args...)
	if code := app.Main(ctx, args, app.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut}); code != app.ExitOK {
		return "", fmt.Errorf("runecast %s: exit code %d: %s", strings.Join(args, " "), code, errOut.String())
	}
	return out.String(), nil
}

// buildFeed makes the index from the given data, or from the demo's one record.
func (p *player) buildFeed(ctx context.Context, feeds string) error {
	if feeds == "" {
		p.say("FEEDS is not set: the vulnerability data is one record, CVE-2021-3711.")
		feeds = filepath.Join(p.dir, "feeds")
		if err := writeRecord(feeds); err != nil {
			return err
		}
	} else {
		p.say("The vulnerability data is that of %s.", feeds)
	}
	args := []string{"feed", "build", "--osv", filepath.Join(feeds, "osv")}
	for flag, name := range map[string]string{"--nvd": "nvdcve-2.0.json.gz", "--cve": "cve5.zip", "--kev": "known_exploited_vulnerabilities.json"} {
		if path := filepath.Join(feeds, name); exists(path) {
			args = append(args, flag, path)
		}
	}
	_, err := p.runecast(ctx, args...)
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path) //nolint:gosec // the person who runs the demo names the directory
	return err == nil
}
