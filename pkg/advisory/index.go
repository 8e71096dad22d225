package advisory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Index is an open feed index. It is immutable and safe for concurrent use.
type Index struct {
	path       string
	info       Info
	covered    map[string]time.Time // Info.Ecosystems and their dates
	strings    table
	packages   []byte
	rows       []byte
	vulns      table
	advisories table
	aliases    []byte

	mu      sync.Mutex
	mapped  []byte // nil once unmapped
	readers int    // calls that are using mapped
	closed  bool
}

// Info describes the index. It stays usable after Close.
func (x *Index) Info() Info { return x.info }

// Close gives the file back. Calls that are still running finish first, on their own time: the last one unmaps the file, and Close
// does not wait for it. Calls that start later give ErrClosed. Closing twice is no error.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	return x.unmapIfIdle()
}

// acquire keeps the file mapped until release.
func (x *Index) acquire() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	x.readers++
	return nil
}

func (x *Index) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.readers--
	if x.closed {
		_ = x.unmapIfIdle() // the caller of Close is gone; the mapping cannot be used by anyone
	}
}

func (x *Index) unmapIfIdle() error {
	if x.readers > 0 || x.mapped == nil {
		return nil
	}
	mapped := x.mapped
	x.mapped = nil
	if err := unix.Munmap(mapped); err != nil {
		return fmt.Errorf("unmap feed index %s: %w", x.path, err)
	}
	return nil
}

// guarded runs fn with the file mapped. Someone may cut the file short under us, against the rule that indexes are replaced by
// renaming: reading a page that is gone is then an error of this call and not the end of the process.
func (x *Index) guarded(fn func() error) (err error) {
	if closed := x.acquire(); closed != nil {
		return closed
	}
	defer x.release()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, fault := r.(interface{ Addr() uintptr }); !fault {
			panic(r)
		}
		err = x.damaged("it was cut short while it was in use")
	}()
	return fn()
}

func (x *Index) damaged(format string, args ...any) error {
	return &IndexError{Path: x.path, Fault: FaultDamaged, Detail: fmt.Sprintf(format, args...)}
}

// Advisory gives one record's details by its id or by an alias of it. Of several records with an alias it is the one that says most.
// An id that the index lacks is ErrNotFound.
func (x *Index) Advisory(id string) (Advisory, error) {
	var found Advisory
	err := x.guarded(func() error {
		i, err := x.findAdvisory(id)
		if err != nil {
			return err
		}
		b, err := x.advisories.record(i)
		if err != nil {
			return x.damaged("advisory %q: %v", id, err)
		}
		if found, err = decodeAdvisory(b); err != nil {
			return x.damaged("advisory %q: %v", id, err)
		}
		return nil
	})
	if err != nil {
		return Advisory{}, err
	}
	return found, nil
}

// findAdvisory gives the number of a record.
func (x *Index) findAdvisory(id string) (int, error) {
	i := sort.Search(x.advisories.n, func(i int) bool { return bytes.Compare(x.advisoryID(i), []byte(id)) >= 0 })
	if i < x.advisories.n && string(x.advisoryID(i)) == id {
		return i, nil
	}
	n := len(x.aliases) / aliasWidth
	j := sort.Search(n, func(j int) bool { return bytes.Compare(x.stringBytes(x.aliases[j*aliasWidth:]), []byte(id)) >= 0 })
	if j < n && string(x.stringBytes(x.aliases[j*aliasWidth:])) == id {
		return int(binary.LittleEndian.Uint32(x.aliases[j*aliasWidth+4:])), nil
	}
	return 0, fmt.Errorf("advisory %s: %w", shorten(id), ErrNotFound)
}

// advisoryID gives the id that a record starts with; nil for a record that cannot be read.
func (x *Index) advisoryID(i int) []byte {
	b, err := x.advisories.record(i)
	if err != nil {
		return nil
	}
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return nil
	}
	rest := b[size:]
	if n > uint64(len(rest)) {
		return nil
	}
	return rest[:n]
}

// stringBytes gives the string whose number is at the start of b; nil for one that does not exist. It points into the file.
func (x *Index) stringBytes(b []byte) []byte {
	s, err := x.strings.record(int(binary.LittleEndian.Uint32(b)))
	if err != nil {
		return nil
	}
	return s
}

// mapFile maps a file read-only. An empty one is nil.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from; the mapping outlives it
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := int(stat.Size())
	if size == 0 || stat.IsDir() {
		return nil, nil
	}
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
}
