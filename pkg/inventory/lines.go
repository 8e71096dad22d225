package inventory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lineReader gives a text's lines without holding the text. Lines over its buffer are given in part and marked as cut.
type lineReader struct {
	buf    *bufio.Reader
	number int
	ended  bool // the last line that was given ended in a newline
	cut    bool // the line goes on beyond what was given
}

const maxLine = 64 << 10

// newLineReader reads the lines of a file of a size. A layer has hundreds of small lists, so the buffer fits the file.
func newLineReader(r io.Reader, size int64) *lineReader {
	return &lineReader{buf: bufio.NewReaderSize(r, int(min(size+1, maxLine))), ended: true}
}

// next gives the next line without its end; it is valid until the next call. The end of the text is io.EOF.
func (l *lineReader) next() ([]byte, error) {
	if l.cut {
		if err := l.skip(); err != nil {
			return nil, err
		}
	}
	line, err := l.buf.ReadSlice('\n')
	l.cut = errors.Is(err, bufio.ErrBufferFull)
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return nil, io.EOF
	}
	l.number++
	if err != nil && !l.cut && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: %w", l.number, err)
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, fmt.Errorf("line %d has a zero byte", l.number)
	}
	l.ended = err == nil
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

// skip passes over the rest of a line that is cut.
func (l *lineReader) skip() error {
	l.cut = false
	for {
		_, err := l.buf.ReadSlice('\n')
		switch {
		case err == nil:
			l.ended = true
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("line %d: %w", l.number, err)
		}
	}
}
