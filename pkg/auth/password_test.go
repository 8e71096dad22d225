package auth_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/auth"
)

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", own, "\x00", "пароль 🔑 " + strings.Repeat("x", 200)} {
		hash := auth.HashPassword(password)
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, own) || hash == auth.HashPassword(password) {
			t.Errorf("the hash of %q is %s", password, hash)
		}
		for other, want := range map[string]bool{password: true, password + "x": false, strings.ToUpper(password + "y"): false} {
			if right, err := auth.VerifyPassword(hash, other); err != nil || right != want {
				t.Errorf("%q for %q: %v, %v", other, password, right, err)
			}
		}
	}
}

// TestHostileHashes reads hashes that nobody here wrote: none is believed, and none decides what memory or time it takes.
func TestHostileHashes(t *testing.T) { //nolint:paralleltest // it measures memory
	good := auth.HashPassword(own)
	parts := strings.Split(good, "$") // "", argon2id, v, parameters, salt, tag
	with := func(n int, text string) string {
		changed := append([]string(nil), parts...)
		changed[n] = text
		return strings.Join(changed, "$")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, hash := range map[string]string{
		"empty": "", "prefix alone": "$argon2id$v=19$m=19456,t=2,p=1$", "plain text": own, "bcrypt": "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"other kind": with(1, "argon2i"), "other version": with(2, "v=16"), "huge memory": with(3, "m=4294967295,t=2,p=1"), "many passes": with(3, "m=19456,t=4294967295,p=1"),
		"many lanes": with(3, "m=19456,t=2,p=255"), "weak": with(3, "m=8,t=1,p=1"), "bad salt": with(4, "!!"), "bad tag": with(5, "!!"), "no tag": with(5, ""), "short tag": with(5, "AAAA"),
		"long tag": with(5, strings.Repeat("A", 1<<20)), "more parts": good + "$x", "cut": good[:len(good)-4], "in front": "x" + good, "new line": good + "\n",
	} {
		if right, err := auth.VerifyPassword(hash, own); right || err == nil {
			t.Errorf("%s: %v, %v", name, right, err)
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("they take %d MiB", took>>20)
	}
	if right, err := auth.VerifyPassword(good, own); !right || err != nil {
		t.Errorf("the good one: %v, %v", right, err)
	}
}

// FuzzVerifyPassword never panics, and believes no hash but the one that was made.
func FuzzVerifyPassword(f *testing.F) {
	const good = "$argon2id$v=19$m=19456,t=2,p=1$cmIhiABf+D2Ht5qSdOhy8g$NqP6O+FowbgkQlpMjSS/5bIqrxyRBJT4X4zmR6cvxKE" // of own; each process of the fuzzer must have the same
	f.Add(good)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, hash string) {
		if right, _ := auth.VerifyPassword(hash, own); right && hash != good {
			t.Errorf("%q is believed", hash)
		}
	})
}
