package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/runecast/runecast/pkg/policy"
)

// FuzzVEX reads hostile OpenVEX documents: an error, or a document that its own text gives again.
func FuzzVEX(f *testing.F) {
	f.Add([]byte(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/1","author":"a","timestamp":"2026-01-01T00:00:00Z","version":1,` +
		`"statements":[{"vulnerability":{"name":"CVE-2021-3711"},"products":[{"@id":"pkg:oci/nginx?repository_url=docker.io/library/nginx","subcomponents":[{"@id":"pkg:deb/debian/openssl@1.1.1d"}]}],"status":"not_affected","justification":"component_not_present"}]}`))
	f.Add([]byte(`{"@context":"https://openvex.dev/ns","@id":"x","author":"a","timestamp":"2026-01-01T00:00:00+14:00",` +
		`"statements":[{"vulnerability":{"@id":"y","aliases":["CVE-1"]},"products":[{"@id":"nginx:1.19"},{"hashes":{"sha-256":"00"}}],"status":"fixed","timestamp":"2025-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"@context":"https://openvex.dev/ns","statements":[{"products":[{"identifiers":{"purl":"pkg:oci/%2e%2e"}}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := policy.ParseVEX(text)
		if err != nil {
			return
		}
		canonical, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("it cannot be written: %v", err)
		}
		var again policy.VEXDocument
		if err := json.Unmarshal(canonical, &again); err != nil {
			t.Errorf("written as %s it cannot be read: %v", canonical, err)
		}
	})
}
