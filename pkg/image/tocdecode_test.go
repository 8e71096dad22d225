package image_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/image"
)

const tocDigest = `"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`

// toc makes a table of entries, of which @ stands for a digest.
func toc(entries ...string) string {
	return `{"version":1,"entries":[` + strings.ReplaceAll(strings.Join(entries, ","), "@", tocDigest) + `]}`
}

func TestTOCThatIsSound(t *testing.T) {
	t.Parallel()
	table := toc(
		`{"name":"a/","type":"dir","mode":493,"uid":7,"xattrs":{"user.a":"eA=="}}`,
		`{"name":"a/one","type":"reg","size":10,"offset":100,"chunkDigest":@}`,
		`{"name":"a/two","type":"reg","size":10,"offset":200,"chunkSize":4,"chunkDigest":@}`,
		`{"name":"a/two","type":"chunk","offset":300,"chunkOffset":4,"chunkSize":4,"chunkDigest":@}`,
		`{"name":"a/two","type":"chunk","offset":400,"chunkOffset":8,"chunkDigest":@}`,
		`{"name":"a/three","type":"reg","size":5,"digest":@,"offset":500,"endOffset":520}`,
		`{"name":"a/four","type":"reg","size":5,"offset":600,"innerOffset":0,"chunkDigest":@}`,
		`{"name":"a/five","type":"reg","size":5,"offset":600,"innerOffset":600,"chunkDigest":@}`,
		`{"name":"a/empty","type":"reg"}`, `{"name":"l","type":"symlink","linkName":"a"}`, `{"name":"h","type":"hardlink","linkName":"a/one"}`,
		`{"name":"n","type":"char"}`, `{"name":"p","type":"fifo"}`, `{"name":"b","type":"block"}`,
	)
	files, chunks, err := image.DecodeTOC(strings.NewReader(table), 1000)
	if err != nil || files != 12 || chunks != 7 {
		t.Errorf("%d files, %d chunks, %v", files, chunks, err)
	}
}

func TestTOCsThatAreRefused(t *testing.T) {
	t.Parallel()
	file := func(fields string) string { return `{"name":"f","type":"reg",` + fields + `}` }
	for name, c := range map[string]struct{ table, text string }{
		"nothing":                    {"", "EOF"},
		"no object":                  {"[]", "it has [ where { should be"},
		"cut":                        {`{"version":1,"entries":[{"name":"f"`, "unexpected EOF"},
		"no version":                 {`{"entries":[]}`, "it has no version or no entries"},
		"another version":            {`{"version":2,"entries":[]}`, "it is of version 2, not 1"},
		"two lists":                  {`{"version":1,"entries":[],"Entries":[]}`, "it has two of entries"},
		"something follows":          {toc() + "{}", "something follows it"},
		"an unknown type":            {toc(`{"name":"f","type":"socket"}`), `it is of the type "socket"`},
		"no name":                    {toc(`{"type":"dir"}`), `it is of the type "dir"`},
		"a directory that has bytes": {toc(`{"name":"d","type":"dir","size":4}`), `it is of the type "dir"`},
		"a negative offset":          {toc(file(`"size":4,"offset":-1,"chunkDigest":@`)), "a number below zero"},
		"a negative size":            {toc(file(`"size":-4,"offset":1,"chunkDigest":@`)), "a number below zero"},
		"a size beyond int64":        {toc(file(`"size":9223372036854775808`)), "cannot unmarshal"},
		"no offset":                  {toc(file(`"size":4,"chunkDigest":@`)), "overlaps one before it or lies outside"},
		"beyond the layer":           {toc(file(`"size":4,"offset":1000,"chunkDigest":@`)), "overlaps one before it or lies outside"},
		"no digest":                  {toc(file(`"size":4,"offset":10`)), "has no digest of sha256"},
		"a short digest":             {toc(file(`"size":4,"offset":10,"chunkDigest":"sha256:00"`)), "has no digest of sha256"},
		"another algorithm":          {toc(file(`"size":4,"offset":10,"chunkDigest":"md5:0123456789abcdef0123456789abcdef"`)), "has no digest of sha256"},
		"a huge chunk":               {toc(file(`"size":1073741825,"offset":10,"chunkDigest":@`)), "a chunk is larger than 1073741824 bytes"},
		"a huge place":               {toc(file(`"size":1,"offset":10,"innerOffset":1073741825,"chunkDigest":@`)), "a chunk is larger than 1073741824 bytes"},
		"overlapping": {
			toc(file(`"size":4,"offset":10,"innerOffset":0,"chunkDigest":@`), `{"name":"g","type":"reg","size":4,"offset":10,"innerOffset":3,"chunkDigest":@}`),
			"a chunk overlaps one before it",
		},
		"backwards": {
			toc(file(`"size":4,"offset":20,"chunkDigest":@`), `{"name":"g","type":"reg","size":4,"offset":10,"chunkDigest":@}`), "a chunk overlaps one before it",
		},
		"a gap in a file":       {toc(file(`"size":10,"offset":10,"chunkSize":4,"chunkDigest":@`), `{"name":"f","type":"chunk","offset":20,"chunkOffset":5,"chunkDigest":@}`), "do not follow each other"},
		"a chunk too large":     {toc(file(`"size":10,"offset":10,"chunkSize":11,"chunkDigest":@`)), "do not follow each other or have more than the file"},
		"a chunk too many":      {toc(file(`"size":4,"offset":10,"chunkDigest":@`), `{"name":"f","type":"chunk","offset":20,"chunkOffset":4,"chunkDigest":@}`), "do not follow each other or have more than the file"},
		"a chunk of nothing":    {toc(`{"name":"f","type":"chunk","offset":20}`), "it is a chunk of no file before it"},
		"a chunk of another":    {toc(file(`"size":4,"offset":10,"chunkDigest":@`), `{"name":"g","type":"chunk","offset":20}`), "it is a chunk of no file before it"},
		"a file not complete":   {toc(file(`"size":10,"offset":10,"chunkSize":4,"chunkDigest":@`), `{"name":"d","type":"dir"}`), `file "f" has chunks for 4 of its 10 bytes`},
		"the last not complete": {toc(file(`"size":10,"offset":10,"chunkSize":4,"chunkDigest":@`)), `file "f" has chunks for 4 of its 10 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := image.DecodeTOC(strings.NewReader(c.table), 1000); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %s", err, c.text)
			}
		})
	}
}

// TestTOCOfAMillionEntries ends where the limit is, long before the table does.
func TestTOCOfAMillionEntries(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	table.WriteString(`{"version":1,"entries":[`)
	for i := range 1_000_000 {
		fmt.Fprintf(&table, `{"name":"f%d","type":"reg"},`, i)
	}
	reader := bytes.NewReader(table.Bytes())
	_, _, err := image.DecodeTOC(reader, 1000)
	if err == nil || !strings.Contains(err.Error(), "it has more than 200000 entries") {
		t.Errorf("error %v", err)
	}
	if reader.Len() < table.Len()/2 {
		t.Errorf("%d of %d bytes were read", table.Len()-reader.Len(), table.Len())
	}
}

func TestStargzFooter(t *testing.T) {
	t.Parallel()
	good := "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x1a\x00SG\x16\x000000000000000abcSTARGZ\x01\x00\x00\xff\xff" + strings.Repeat("\x00", 8)
	if at, err := image.ParseFooter([]byte(good)); err != nil || at != 0xabc {
		t.Errorf("%d, %v", at, err)
	}
	for name, footer := range map[string]string{
		"empty": "", "short": good[:50], "long": good + "x", "no gzip": "x" + good[1:], "another field": strings.Replace(good, "SG", "XX", 1),
		"another mark": strings.Replace(good, "STARGZ", "STARGX", 1), "no number": strings.Replace(good, "0abc", "0xyz", 1),
		"negative": strings.Replace(good, "0000000000000abc", "-000000000000abc", 1), "beyond int64": strings.Replace(good, "0000000000000abc", "ffffffffffffffff", 1),
	} {
		if at, err := image.ParseFooter([]byte(footer)); err == nil {
			t.Errorf("%s: %d", name, at)
		}
	}
}

func FuzzTOC(f *testing.F) {
	f.Add([]byte(toc(`{"name":"a","type":"reg","size":10,"offset":100,"chunkSize":4,"chunkDigest":@}`, `{"name":"a","type":"chunk","offset":300,"chunkOffset":4,"chunkDigest":@}`)), int64(1000))
	f.Add([]byte(toc(`{"name":"a","type":"reg","size":5,"digest":@,"offset":500,"endOffset":520}`, `{"name":"b","type":"reg","size":5,"offset":600,"innerOffset":9,"chunkDigest":@}`)), int64(700))
	f.Add([]byte(`{"version":1,"entries":null}`), int64(1))
	f.Fuzz(func(t *testing.T, table []byte, data int64) {
		if fault := image.CheckTOC(bytes.NewReader(table), data); fault != "" {
			t.Error(fault)
		}
	})
}
