package apiserver_test

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// Who may pull from the private registry.
const registryUser, registryPassword = "puller", "hunter2-of-the-registry"

// testImage is an image of the test's registry.
type testImage struct {
	reference string
	digest    string // of its manifest
}

// images are what the workloads of the tests run.
type images struct {
	vulnerable testImage // nginx:1.19: libssl1.1 with a critical CVE that has a fix
	fixed      testImage // the same with that fix
	silent     testImage // in a registry that never answers

	private           string    // registry that asks for registryUser
	privateVulnerable testImage // as vulnerable, there
	privateFixed      testImage
}

// serveImages starts two registries on loopback; they end with the test.
func serveImages(t *testing.T) images {
	t.Helper()
	healthy, silent := imagetest.NewRegistry(), imagetest.NewRegistry()
	t.Cleanup(healthy.Close)
	t.Cleanup(silent.Close)
	private := imagetest.NewRegistry()
	t.Cleanup(private.Close)
	defer private.RequireBasic(registryUser, registryPassword) // once the images are there
	silent.Inject(imagetest.Any, imagetest.Always, silent.Hang())
	return images{
		private:           private.Host(),
		privateVulnerable: push(t, private, "shop/web:1", imagetest.Nginx119()), privateFixed: push(t, private, "shop/web:2", imagetest.Nginx119Fixed()),
		vulnerable: push(t, healthy, "library/nginx:1.19", imagetest.Nginx119()),
		fixed:      push(t, healthy, "library/nginx:1.19-fixed", imagetest.Nginx119Fixed()),
		silent:     testImage{reference: silent.Host() + "/library/nginx:1.19"},
	}
}

func push(t *testing.T, registry *imagetest.Registry, repositoryTag string, img remote.Taggable) testImage {
	t.Helper()
	reference, digest, err := registry.Push(t.Context(), repositoryTag, img)
	must(t, err)
	return testImage{reference: reference, digest: digest}
}
