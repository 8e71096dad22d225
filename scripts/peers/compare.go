package main

import (
	"cmp"
	"slices"
	"strings"
)

// difference is a finding that one of two programs has.
type difference struct {
	image string
	peer  string // the program that runecast is compared with
	only  string // who has it: runecast or the peer
	finding
}

// compare gives what one of two programs alone has, in order, and how many findings both have.
func compare(image, peer string, ours, theirs findings) (differences []difference, both int) {
	for f := range ours {
		if theirs[f] {
			both++
		} else {
			differences = append(differences, difference{image, peer, runecast, f})
		}
	}
	for f := range theirs {
		if !ours[f] {
			differences = append(differences, difference{image, peer, peer, f})
		}
	}
	slices.SortFunc(differences, func(a, b difference) int {
		return cmp.Or(strings.Compare(a.only, b.only), strings.Compare(a.ecosystem, b.ecosystem), strings.Compare(a.name, b.name),
			strings.Compare(a.version, b.version), strings.Compare(a.path, b.path), strings.Compare(a.vulnerability, b.vulnerability))
	})
	return differences, both
}

// explanation is what the table has to say of differences.
type explanation struct {
	used    []int        // how many differences each cause explains
	unknown []difference // that no cause explains
}

// explain looks every difference up in the table. One that several causes explain counts for each of them.
func explain(causes []cause, differences []difference) explanation {
	e := explanation{used: make([]int, len(causes))}
	for i := range differences {
		known := false
		for at := range causes {
			if causes[at].explains(&differences[i]) {
				e.used[at]++
				known = true
			}
		}
		if !known {
			e.unknown = append(e.unknown, differences[i])
		}
	}
	return e
}
