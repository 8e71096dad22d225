package web

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemas is where the description keeps the schemas of types. Those of packages that have names of their own for a finding or an image
// get the package's in front: a name is there once.
func schemas() huma.Registry {
	return huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		of := t
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		for _, pkg := range []string{"Webhook", "Notify"} {
			if strings.HasSuffix(of.PkgPath(), "/pkg/"+strings.ToLower(pkg)) {
				return pkg + name
			}
		}
		return name
	})
}
