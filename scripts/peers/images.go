package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The images.
const (
	large   = "large"   // Debian with nginx, Python, Node.js, npm and Ruby, and an application
	sibling = "sibling" // another application on the same base
	small   = "small"   // Debian's smallest
	scratch = "scratch" // a Go program alone
)

// makeImages makes the layers, once, and gives the images by name.
func makeImages(ctx context.Context, work, bin string) (map[string]v1.Image, error) {
	dir := filepath.Join(work, "layers")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	full, minimal := filepath.Join(work, "rootfs-large"), filepath.Join(work, "rootfs-small")
	if err := debian(ctx, full, "nginx", "python3", "python3-pip", "python3-django", "nodejs", "npm", "ruby"); err != nil {
		return nil, err
	}
	if err := debian(ctx, minimal); err != nil {
		return nil, err
	}
	share := func(path string) bool { return strings.HasPrefix(path, "usr/share/") }
	lib := func(path string) bool { return strings.HasPrefix(path, "usr/lib/") }
	type layer struct {
		name string
		make func(target string) error
	}
	layers := []layer{
		{"base", func(t string) error { return packTree(full, t, func(p string) bool { return !share(p) && !lib(p) }) }},
		{"lib", func(t string) error { return packTree(full, t, lib) }},
		{"share", func(t string) error { return packTree(full, t, share) }},
		{"app", func(t string) error { return packLayer(t, application) }},
		{"other", func(t string) error {
			return packLayer(t, func(p *packer) error {
				return p.write("app/node_modules/minimist/package.json", npmPackage("minimist", "0.0.8"), 0o644)
			})
		}},
		{"minimal", func(t string) error { return packTree(minimal, t, func(string) bool { return true }) }},
		{"program", func(t string) error { return packProgram(t, filepath.Join(bin, runecast)) }},
	}
	for name, fill := range samples(filepath.Join(bin, "old")) {
		layers = append(layers, layer{name, func(t string) error { // small, and made anew
			return errors.Join(os.RemoveAll(t), packLayer(t, fill))
		}})
	}
	made := map[string]v1.Layer{}
	for _, l := range layers {
		target := filepath.Join(dir, l.name+".tar.gz")
		if err := l.make(target); err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromFile(target)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", target, err)
		}
		made[l.name] = layer
	}
	images := map[string]v1.Image{}
	// The package database is in base: it comes last, as it does not tell of files in layers above it.
	for name, of := range map[string][]string{
		large: {"lib", "share", "base", "program", "app"}, sibling: {"lib", "share", "base", "program", "other"}, small: {"minimal"}, scratch: {"program"},
		languages: {languages}, alpine: {alpine}, distroless: {distroless}, modules: {modules}, changed: {"minimal", "app", changed},
	} {
		image := empty.Image
		for _, layer := range of {
			var err error
			if image, err = mutate.AppendLayers(image, made[layer]); err != nil {
				return nil, err
			}
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", "amd64"
		if images[name], err = mutate.ConfigFile(image, config); err != nil {
			return nil, err
		}
	}
	return images, nil
}

func packProgram(target, program string) error {
	return packLayer(target, func(p *packer) error {
		body, err := os.ReadFile(filepath.Clean(program))
		if err != nil {
			return err
		}
		return p.write("usr/local/bin/"+filepath.Base(program), string(body), 0o755)
	})
}

// application writes what package managers of languages leave where they install old, vulnerable releases.
func application(p *packer) error {
	files := map[string]string{}
	for name, version := range map[string]string{"lodash": "4.17.4", "minimist": "1.2.0", "jquery": "3.3.1", "marked": "0.3.6", "handlebars": "4.0.11", "ws": "3.2.0"} {
		files["app/node_modules/"+name+"/package.json"] = npmPackage(name, version)
	}
	for name, version := range map[string]string{"Django": "3.2.1", "requests": "2.19.0", "Pillow": "9.0.0", "PyYAML": "5.3", "Jinja2": "2.10"} {
		files["usr/local/lib/python3.11/site-packages/"+name+"-"+version+".dist-info/METADATA"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: a package\n", name, version)
	}
	for name, version := range map[string]string{"rack": "2.0.1", "nokogiri": "1.8.0", "rails-html-sanitizer": "1.0.3"} {
		files["usr/local/bundle/specifications/"+name+"-"+version+".gemspec"] = fmt.Sprintf("# -*- encoding: utf-8 -*-\n# stub: %[1]s %[2]s ruby lib\n\nGem::Specification.new do |s|\n  s.name = %[1]q.freeze\n  s.version = %[2]q\n  s.require_paths = [\"lib\".freeze]\n  s.summary = \"a gem\".freeze\nend\n", name, version)
	}
	for _, path := range sorted(files) {
		if err := p.write(path, files[path], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func npmPackage(name, version string) string {
	return fmt.Sprintf("{\"name\": %q, \"version\": %q, \"license\": \"MIT\"}\n", name, version)
}
