package inventory_test

import (
	"strings"
	"testing"
)

const (
	azure3       = "NAME=\"Microsoft Azure Linux\"\nID=azurelinux\nVERSION_ID=\"3.0\"\nPRETTY_NAME=\"Microsoft Azure Linux 3.0\"\n"
	manifestPath = "var/lib/rpmmanifest/container-manifest-2"
	rpmManifest  = "filesystem\t1.1-21.azl3\t1719273600\t1713398400\tMicrosoft Corporation\t(none)\t7596\tx86_64\t0\tfilesystem-1.1-21.azl3.src.rpm\n" +
		"openssl-libs\t3.3.0-1.azl3\t1719273600\t1713398400\tMicrosoft Corporation\t(none)\t6421\tx86_64\t0\topenssl-3.3.0-1.azl3.src.rpm\n" +
		"bind-libs\t9.19.21-1.azl3\t1719273600\t1713398400\tMicrosoft Corporation\t32\t6421\tx86_64\t32\tbind-9.19.21-1.azl3.src.rpm\n" +
		"gpg-pubkey\t3135ce90-5e6fda74\t1719273600\t1583340148\t(none)\t(none)\t0\t(none)\t0\t(none)\n"
)

// TestRPMManifest reads the list of a distroless image of Azure Linux as rpm's packages.
func TestRPMManifest(t *testing.T) {
	t.Parallel()
	inv := mustMerge(t, scanItems(t, text("etc/os-release", azure3), text(manifestPath, rpmManifest), text("var/lib/rpmmanifest/container-manifest-1", "x\n")))
	wantNames(t, inv, "bind-libs 32:9.19.21-1.azl3", "filesystem 1.1-21.azl3", "openssl-libs 3.3.0-1.azl3")
	if len(inv.Unread) > 0 || len(inv.Databases) != 1 || inv.Databases[0] != manifestPath {
		t.Errorf("unread %q, databases %q", inv.Unread, inv.Databases)
	}
	p := inv.Packages[2]
	if p.Type != "rpm" || p.Ecosystem != "Azure Linux:3" || p.Source != "openssl" || p.SourceVersion != "" || p.Arch != "x86_64" {
		t.Errorf("package %+v", p)
	}
	if bind := inv.Packages[0]; bind.Source != "bind" || bind.SourceVersion != "" {
		t.Errorf("package %+v", bind)
	}
}

// TestRPMManifestElsewhere: a link leads to the list, another place does not, and a later layer that deletes it leaves an image that hides what it has.
func TestRPMManifestElsewhere(t *testing.T) {
	t.Parallel()
	linked := mustMerge(t, scanItems(t, text("etc/os-release", azure3), symlink("var/lib/rpmmanifest", "/opt/rpmmanifest"), text("opt/rpmmanifest/container-manifest-2", rpmManifest)))
	if len(linked.Packages) != 3 {
		t.Errorf("packages %s", names(linked))
	}
	chroot := mustMerge(t, scanItems(t, text("etc/os-release", azure3), text("srv/root/"+manifestPath, rpmManifest)))
	gone := mustMerge(t, scanItems(t, text("etc/os-release", azure3), text(manifestPath, rpmManifest)), scanItems(t, whiteoutOf("var/lib", "rpmmanifest")))
	for _, inv := range []int{len(chroot.Unread), len(gone.Unread)} {
		if inv != 1 {
			t.Errorf("unread %q, %q", chroot.Unread, gone.Unread)
		}
	}
}

// TestDamagedRPMManifest has lists that are not whole: the image is not judged by a part.
func TestDamagedRPMManifest(t *testing.T) {
	t.Parallel()
	line, _, _ := strings.Cut(rpmManifest, "\n")
	for name, tt := range map[string]struct{ list, want string }{
		"empty":      {"", "it lists no package"},
		"cut short":  {line, "it is cut short in line 1"},
		"few fields": {rpmManifest + "bash\t5.2-1\n", "line 5 has 2 fields, not 10: \"bash\\t5.2-1\""},
		"no release": {strings.Replace(line, "1.1-21.azl3", "1.1", 1) + "\n", "line 1: a package has no name, version or release: \"filesystem\" \"1.1\" \"\""},
		"epoch":      {strings.Replace(line, "x86_64\t0", "x86_64\t-1", 1) + "\n", "line 1 has a bad epoch: \"-1\""},
		"long":       {strings.Repeat("x", 1<<17) + "\n", "line 1 is longer than 65536 bytes"},
		"not text":   {strings.Replace(line, "filesystem", "file\xff", 1) + "\n", "it is not text in UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := mustMerge(t, scanItems(t, text("etc/os-release", azure3), text(manifestPath, tt.list)))
			if want := manifestPath + ": it is not read: " + tt.want; len(inv.Unread) != 1 || inv.Unread[0] != want {
				t.Errorf("unread %q, want %q", inv.Unread, want)
			}
		})
	}
}

// FuzzRPMManifest reads arbitrary lists: each package has a name and a version, and there are no more than lines.
func FuzzRPMManifest(f *testing.F) {
	f.Add(rpmManifest)
	f.Fuzz(func(t *testing.T, list string) { fuzzFile(t, manifestPath, list, strings.Count(list, "\n")) })
}
