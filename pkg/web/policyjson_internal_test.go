package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/runecast/runecast/pkg/policy/live"
)

// FuzzPolicyBody sends any text as the body of a policy: what is JSON means the same afterwards and has its lines, and nothing makes the
// reader of policies fall over.
func FuzzPolicyBody(f *testing.F) {
	for _, seed := range []string{`{"id": "a", "name": "\ud83e\uddad \/ \\/ \"", "rules": [{"kev": true}]}`, "id: a\nname: b\nrules: [{severity: high}]", `"\ud83e`, `"\`, "{", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		plain := plainJSON(content)
		if bytes.Count(plain, []byte("\n")) != bytes.Count(content, []byte("\n")) {
			t.Errorf("%q has other lines than %q", plain, content)
		}
		var before, after any
		if json.Unmarshal(content, &before) == nil {
			if err := json.Unmarshal(plain, &after); err != nil {
				t.Fatalf("%q is no JSON any more: %v", plain, err)
			}
			if !reflect.DeepEqual(before, after) {
				t.Errorf("%v became %v", before, after)
			}
		}
		if p, err := live.Decode(plain); err == nil && p.Revision() == "" {
			t.Errorf("%q gives a policy that judges nothing", content)
		}
	})
}
