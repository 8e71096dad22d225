package advisory

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The file. All fixed-width numbers are little-endian; varints are those of encoding/binary.
//
//	header      184 bytes: magic, format version, number of sections, length of the file, offset and length of each section,
//	            SHA-256 over everything behind the header followed by the header up to the checksum
//	strings     u32 count n, n+1 u32 offsets, the bytes. A string is named by its number everywhere below
//	packages    16 bytes each, sorted by (ecosystem, name): u32 ecosystem, u32 name, u64 offset of its rows
//	per package: its boundary versions, ascending, then what each vulnerability affects (see rowcodec.go)
//	vulns       u32 count n, n+1 u64 offsets, then one record each (see vulncodec.go); rows name them by number
//	advisories  one record each, sorted by id (see advisorycodec.go)
//	aliases     8 bytes each, sorted by the string: u32 string, u32 advisory
//	info        Info as JSON
//	offsets     of the advisories: u32 count n, n+1 u64 offsets; apart from them so that they can be written as a stream
//
// Equal contents give equal bytes. The format version goes up with every change of this layout, and with every change of how
// versions are ordered, because the boundaries are stored in their order.
const (
	magic         = "RCADVIDX"
	formatVersion = 4
	checksumStart = 24 + sectionCount*16
	checksumSize  = 32
	headerSize    = checksumStart + checksumSize
)

// The sections, in the order of the header.
const (
	sectionStrings = iota
	sectionPackages
	sectionRows
	sectionVulns
	sectionAdvisories
	sectionAliases
	sectionInfo
	sectionOffsets
	sectionCount
)

const (
	packageWidth = 16
	aliasWidth   = 8
)

// cursor reads varints and strings from untrusted bytes. After its first error everything it gives is zero.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.b = nil
}

// number reads one unsigned varint that must not be above limit.
func (c *cursor) number(limit int) int {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail("a number is cut off")
		return 0
	}
	if limit < 0 || v > uint64(limit) {
		c.fail("number %d is above %d", v, limit)
		return 0
	}
	c.b = c.b[n:]
	return int(v) //nolint:gosec // G115: v is at most limit, which is an int
}

// count reads the length of a list. Each of its items takes a byte at least, so no list is longer than what is left: a damaged
// count cannot make the reader allocate more than the file's own size.
func (c *cursor) count() int { return c.number(len(c.b)) }

// signed reads one zigzag varint.
func (c *cursor) signed() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail("a number is cut off")
		return 0
	}
	c.b = c.b[n:]
	return v
}

// text reads an inline string: its length, then its bytes.
func (c *cursor) text() string {
	n := c.count()
	if c.err != nil || n > len(c.b) {
		c.fail("a text is cut off")
		return ""
	}
	s := string(c.b[:n])
	c.b = c.b[n:]
	return s
}

// float reads eight bytes.
func (c *cursor) float() float64 {
	if len(c.b) < 8 {
		c.fail("a number is cut off")
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(c.b))
	c.b = c.b[8:]
	return v
}

// byte reads one byte.
func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail("a byte is missing")
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func putNumber(b []byte, n int) []byte {
	return binary.AppendUvarint(b, uint64(max(n, 0)))
}

func putText(b []byte, s string) []byte { return append(putNumber(b, len(s)), s...) }

func putFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// table reads numbered variable-length records: u32 count n, n+1 u64 (or u32) offsets into what follows, the records.
type table struct {
	offsets []byte
	data    []byte
	n       int
	width   int // bytes of an offset: 4 or 8
}

// newTable reads the head of a table; its records are what follows.
func newTable(section []byte, width int) (table, error) {
	if len(section) < 4 {
		return table{}, fmt.Errorf("a table of %d bytes has no count", len(section))
	}
	n := int(binary.LittleEndian.Uint32(section))
	size := (n + 1) * width
	if size > len(section)-4 {
		return table{}, fmt.Errorf("a table of %d entries is cut off", n)
	}
	return table{offsets: section[4 : 4+size], data: section[4+size:], n: n, width: width}, nil
}

func (t table) offset(i int) uint64 {
	if t.width == 4 {
		return uint64(binary.LittleEndian.Uint32(t.offsets[i*4:]))
	}
	return binary.LittleEndian.Uint64(t.offsets[i*8:])
}

// record gives the bytes of one record; they are part of the mapped file.
func (t table) record(i int) ([]byte, error) {
	if i < 0 || i >= t.n {
		return nil, fmt.Errorf("record %d of %d does not exist", i, t.n)
	}
	from, to := t.offset(i), t.offset(i+1)
	if from > to || to > uint64(len(t.data)) {
		return nil, fmt.Errorf("record %d lies outside its table", i)
	}
	return t.data[from:to], nil
}

// text gives a copy of one record: nothing that leaves the index may point into the mapped file.
func (t table) text(i int) (string, error) {
	b, err := t.record(i)
	return string(b), err
}
