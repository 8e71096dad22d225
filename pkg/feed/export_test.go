package feed

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
)

// DecodeForTest takes one record through everything up to the rows of its packages.
func DecodeForTest(text []byte) (map[string][]advisory.Row, error) {
	o, err := decodeOSV(text)
	if err != nil {
		return nil, err
	}
	r, err := interner{}.newRecord(o)
	if err != nil {
		return nil, err
	}
	k := newKnowledge(time.Time{})
	k.learn(r)
	_ = details(o)
	rows := map[string][]advisory.Row{}
	for i := range r.affected {
		a := &r.affected[i]
		rows[a.ecosystem+"/"+a.name] = k.rows(a.ecosystem, []member{{record: r, affected: a}})
	}
	return rows, nil
}

// NewHolderForTest makes a holder that opens its file in another way.
func NewHolderForTest(path string, interval time.Duration, log logrus.FieldLogger, open func(string) (*advisory.Index, error)) *Holder {
	h := &Holder{path: path, interval: interval, log: log, open: open}
	h.poll()
	return h
}
