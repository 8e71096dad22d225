//go:build certgen

package certgen_test

import (
	"testing"
)

// tests are all tests that run against the API server.
func (l *lab) tests() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"Install":                 l.testInstall,
		"Kills":                   l.testKills,
		"Drift":                   l.testDrift,
		"WrongType":               l.testWrongType,
		"Adoption":                l.testAdoption,
		"NoPolicy":                l.testNoPolicy,
		"MissingRights":           l.testMissingRights,
		"ReconcileCreatesNothing": l.testReconcileCreatesNothing,
		"ConcurrentRuns":          l.testConcurrentRuns,
		"Events":                  l.testEvents,
		"RotationUnderLoad":       l.testRotationUnderLoad,
		"LeafFirst":               l.testLeafFirst,
		"SlowEndpoint":            l.testSlowEndpoint,
		"HelmUpgradeInRotation":   l.testHelmUpgradeInRotation,
		"RotateRequest":           l.testRotateRequest,
		"ExistingSecret":          l.testExistingSecret,
		"Bearer":                  l.testBearer,
		"Status":                  l.testStatus,
		"Remove":                  l.testRemove,
		"Pushgateway":             l.testPushgateway,
		"Docs":                    l.testDocs,
	}
}

// testInstall installs as the chart does: the hook issues, Helm makes the configuration, the second hook patches, and the first review comes
// through.
func (l *lab) testInstall(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	p.front.keepInSync(t)
	p.configure(t)
	_, err = p.converge(t.Context(), t, run{scope: patch})
	must(t, err)
	p.awaitCreate(t)
	result, err := p.converge(t.Context(), t, run{scope: reconcile})
	must(t, err)
	if len(result.Did) != 0 {
		t.Errorf("a run after the install did %d writes, want none: %+v", len(result.Did), result.Did)
	}
}
