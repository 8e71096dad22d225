package imagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// GoProgram builds a program with golang.org/x/net v0.1.0 by the Go toolchain of the machine, which finds that module in its cache or
// fetches it. CVE-2022-41723 in it is fixed in v0.7.0.
func GoProgram(ctx context.Context) (program []byte, err error) {
	root, err := os.MkdirTemp("", "imagetest")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the program: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	for name, content := range map[string]string{
		"go.mod":  "module example.com/app\n\ngo 1.21\n\nrequire golang.org/x/net v0.1.0\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"golang.org/x/net/html\"\n)\n\nfunc main() { fmt.Println(html.EscapeString(\"<\")) }\n",
	} {
		if err = os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("write the program's source: %w", err)
		}
	}
	command := exec.CommandContext(ctx, "go", "build", "-o", "app", ".")
	command.Dir = root
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOWORK=off", "GOTOOLCHAIN=local")
	if out, buildErr := command.CombinedOutput(); buildErr != nil {
		return nil, fmt.Errorf("build the program: %w: %s", buildErr, out)
	}
	program, err = os.ReadFile(filepath.Join(root, "app")) //nolint:gosec // in a directory of our own
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	return program, nil
}

// GoImage is an image from scratch with nothing but a program, usr/bin/app.
func GoImage(program []byte) v1.Image {
	return Image(Layer(Executable("usr/bin/app", program)))
}
