package inventory_test

import "testing"

// TestJarNames reads names that archives have in Maven's repository and in images, where nothing else tells what they are.
func TestJarNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"guava-31.1-jre.jar":                   "guava:guava 31.1-jre",
		"guava-r09.jar":                        "guava:guava r09",
		"acme-r12a.jar":                        "acme:acme r12a",
		"acme-r12.jar":                         "acme:acme r12",
		"acme-rc1.jar":                         "acme:acme rc1",
		"acme-r7-final.jar":                    "acme:acme r7-final",
		"acme-build42.jar":                     "acme:acme build42",
		"acme-r2dbc-1.0.0.RELEASE.jar":         "acme-r2dbc:acme-r2dbc 1.0.0.RELEASE",
		"acme-rest-2.0.jar":                    "acme-rest:acme-rest 2.0",
		"acme_1.2.3.v20200101.jar":             "acme:acme 1.2.3.v20200101",
		"commons-logging-1.2.jar":              "commons-logging:commons-logging 1.2",
		"org.apache.felix.framework-7.0.5.jar": "org.apache.felix:org.apache.felix.framework 7.0.5",
		"acme-2.13-1.0.0-SNAPSHOT.jar":         "acme:acme 2.13-1.0.0-SNAPSHOT",
		"acme-r2dbc.jar":                       "",
		"acme-build.jar":                       "",
		"acme.jar":                             "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := names(mustMerge(t, scanItems(t, text(name, zipText(t, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")))))
			if got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
		})
	}
}
