package inventory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// composerExtractor reads vendor/composer/installed.json, in which Composer lists what it installed: a list of packages in
// version 1, an object whose "packages" is that list in version 2 (https://getcomposer.org/upgrade/UPGRADE-2.0.md). The lock
// file says what was wanted and is not read.
//
// A branch (dev-main, 1.x-dev) is no version: it is listed as it is, and whoever compares it finds that it cannot be compared.
type composerExtractor struct{}

func (composerExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	if c.size > maxManifest {
		return contents{}, fmt.Errorf("it is larger than %d bytes", maxManifest)
	}
	dec := json.NewDecoder(bufio.NewReader(c.r))
	var pkgs []found
	start, err := dec.Token()
	switch {
	case err != nil:
	case start == json.Delim('['):
		err = composerList(ctx, dec, &pkgs)
	case start == json.Delim('{'):
		err = composerObject(ctx, dec, &pkgs)
	default:
		err = errors.New("it is neither a list nor an object")
	}
	if err == nil {
		err = endOfJSON(dec)
	}
	if err != nil {
		return contents{}, fmt.Errorf("it is no installed.json: %w", noEnd(err))
	}
	return contents{Packages: pkgs}, nil
}

// endOfJSON makes sure that nothing follows.
func endOfJSON(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// composerObject reads version 2 behind its opening brace, to its closing one.
func composerObject(ctx context.Context, dec *json.Decoder, to *[]found) error {
	listed := false
	err := eachField(dec, func(key string) error {
		if key != "packages" {
			return skipValue(dec)
		}
		if listed {
			return errors.New("it lists its packages twice")
		}
		listed = true
		if start, err := dec.Token(); err != nil || start != json.Delim('[') {
			return errors.Join(err, errors.New("its packages are no list"))
		}
		return composerList(ctx, dec, to)
	})
	if err == nil && !listed {
		return errors.New("it lists no packages")
	}
	return err
}

// eachField goes through an object behind its opening brace, to its closing one. do reads the value.
func eachField(dec *json.Decoder, do func(key string) error) error {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("field: %w", err)
		}
		name, _ := key.(string)
		if err := do(name); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("end of an object: %w", err)
	}
	return nil
}

// composerList reads packages behind the opening bracket, to the closing one.
func composerList(ctx context.Context, dec *json.Decoder, to *[]found) error {
	for dec.More() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(*to) == maxPackages {
			return errManyPackages
		}
		p, err := composerPackage(dec)
		if err != nil {
			return err
		}
		*to = append(*to, p)
	}
	_, err := dec.Token()
	if err != nil {
		return fmt.Errorf("end of a list: %w", err)
	}
	return nil
}

// composerPackage reads one package. Names have no upper case (https://getcomposer.org/doc/04-schema.md#name); old ones
// that have are listed on Packagist without it.
func composerPackage(dec *json.Decoder) (found, error) {
	var p found
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return p, errors.Join(err, errors.New("a package is no object"))
	}
	err := eachField(dec, func(key string) error {
		to := map[string]*string{"name": &p.Name, "version": &p.Version}[key]
		if to == nil {
			return skipValue(dec)
		}
		value, err := dec.Token()
		text, ok := value.(string)
		if err != nil || !ok || len(text) > maxPythonField {
			return errors.Join(err, fmt.Errorf("a package's %s is no text of up to %d bytes", key, maxPythonField))
		}
		*to = text
		return nil
	})
	if err == nil && (p.Name == "" || p.Version == "") {
		err = errors.New("a package has no name or no version")
	}
	p.Name, p.Version = strings.ToLower(p.Name), composerVersion(p.Version)
	return p, err
}

// composerVersion drops the v of a tag: v1.2.3 is 1.2.3, while a branch may begin with any letter.
func composerVersion(version string) string {
	if rest, ok := strings.CutPrefix(version, "v"); ok && startsWithDigit(rest) {
		return rest
	}
	return version
}
