package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLastWords has an API server that crashes again and again, asked when an attempt has only begun: why it does not start is in the
// log of the attempt before.
func TestLastWords(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	began := time.Now().Add(-time.Hour)
	write := func(pod, name string, age time.Duration, lines ...string) {
		dir := filepath.Join(base, "kube-system_kube-apiserver-node_"+pod, "kube-apiserver")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, began.Add(age), began.Add(age)); err != nil {
			t.Fatal(err)
		}
	}
	if got := lastWordsBelow(base); got != "" {
		t.Errorf("without a log there is %q", got)
	}
	write("before", "0.log", 0, "the old one goes")
	if got := lastWordsBelow(base); !strings.HasSuffix(got, "0.log:\n  the old one goes") {
		t.Errorf("of one log there is %q", got)
	}
	many := make([]string, 0, 1000)
	for i := range 1000 {
		many = append(many, fmt.Sprintf("line %d", i))
	}
	write("now", "2.log", 2*time.Minute, append(many, "open /nowhere.yaml: no such file")...)
	write("now", "3.log", 3*time.Minute, "Version: v1.34.4")
	got := lastWordsBelow(base)
	for text, want := range map[string]int{"The end of its log": 2, "open /nowhere.yaml": 1, "Version: v1.34.4": 1, "  line ": logLines - 1, "the old one": 0} {
		if n := strings.Count(got, text); n != want {
			t.Errorf("%q is there %d times, want %d: %s", text, n, want, got)
		}
	}
	if strings.Index(got, "2.log") > strings.Index(got, "3.log") {
		t.Errorf("the newest is not the last: %s", got)
	}
}
