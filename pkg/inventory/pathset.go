package inventory

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// A layer may have a million paths, and each may replace something in a layer below. They are kept as 64-bit FNV-1a hashes,
// sorted and written as variable-length differences: some seven bytes a path. A false match of a hundred thousand paths
// against a hundred thousand others has a chance of about one in 10^9. FNV-1a goes from left to right, so the hashes of a
// path's directories fall out of hashing the path.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hashPath(p string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(p) {
		h = (h ^ uint64(p[i])) * fnvPrime
	}
	return h
}

// hashTree gives the hash of each directory above a path, the root first, and last that of the path itself.
func hashTree(p string) []uint64 {
	h := uint64(fnvOffset)
	to := append(make([]uint64, 0, 2+strings.Count(p, "/")), h)
	for i := range len(p) {
		if p[i] == '/' {
			to = append(to, h)
		}
		h = (h ^ uint64(p[i])) * fnvPrime
	}
	return append(to, h)
}

// pathSet is a sorted set of path hashes.
type pathSet []uint64

// newPathSet sorts hashes in place.
func newPathSet(hashes []uint64) pathSet {
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

func (s pathSet) has(hash uint64) bool {
	_, found := slices.BinarySearch(s, hash)
	return found
}

// without gives the set but for some, which changes the set itself.
func (s pathSet) without(some pathSet) pathSet {
	if len(some) == 0 {
		return s
	}
	return slices.DeleteFunc(s, some.has)
}

// pack gives the set's stored form.
func (s pathSet) pack() []byte {
	if len(s) == 0 {
		return nil
	}
	out := make([]byte, 0, len(s)*8)
	var last uint64
	for _, h := range s {
		out = binary.AppendUvarint(out, h-last)
		last = h
	}
	return out
}

func unpackPathSet(b []byte) (pathSet, error) {
	s := make(pathSet, 0, len(b)/7)
	var last uint64
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("path set is cut short")
		}
		last += d
		s, b = append(s, last), b[n:]
	}
	if !slices.IsSorted(s) {
		return nil, errors.New("path set is out of order")
	}
	return s, nil
}
