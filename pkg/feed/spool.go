package feed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// span says where something lies in the spool.
type span struct {
	offset int64
	size   int
}

// spool keeps the details of records in a temporary file until they are written in order: in memory they would be most of it.
type spool struct {
	file *os.File
	out  *bufio.Writer
	at   int64
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, ".feed-*")
	if err != nil {
		return nil, fmt.Errorf("keep advisory details: %w", err)
	}
	return &spool{file: f, out: bufio.NewWriterSize(f, 1<<20)}, nil
}

// put adds a record.
func (s *spool) put(a *advisory.Advisory) (span, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return span{}, fmt.Errorf("keep the details of %s: %w", a.ID, err)
	}
	at := span{offset: s.at, size: len(text)}
	if _, err := s.out.Write(text); err != nil {
		return span{}, fmt.Errorf("keep the details of %s: %w", a.ID, err)
	}
	s.at += int64(len(text))
	return at, nil
}

// get reads a record back. All puts come before the first get.
func (s *spool) get(at span) (advisory.Advisory, error) {
	var a advisory.Advisory
	if s.out.Buffered() > 0 {
		if err := s.out.Flush(); err != nil {
			return a, fmt.Errorf("keep advisory details: %w", err)
		}
	}
	text := make([]byte, at.size)
	if _, err := io.ReadFull(io.NewSectionReader(s.file, at.offset, int64(at.size)), text); err != nil {
		return a, fmt.Errorf("read advisory details back: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("read advisory details back: %w", err)
	}
	return a, nil
}

// close removes the file.
func (s *spool) close() {
	_ = s.file.Close() // it was only ours
	_ = os.Remove(s.file.Name())
}

// sortedSet gives a sorted copy without duplicates and empty texts; nil for none.
func sortedSet(list []string) []string {
	set := slices.Sorted(slices.Values(list))
	set = slices.Compact(set)
	if len(set) > 0 && set[0] == "" {
		set = set[1:]
	}
	if len(set) == 0 {
		return nil
	}
	return set
}
