package web

import (
	"context"
	"time"
)

// RunningStore keeps scans that people asked for on the pages until they are done and their decisions stored, so that every replica can
// show how far they are.
type RunningStore interface {
	// PutRunningScan stores a scan, or how far it is by now.
	PutRunningScan(ctx context.Context, running *RunningScan) error
	// RunningScan gives one; nil without an error where there is none of that id.
	RunningScan(ctx context.Context, id string) (*RunningScan, error)
	// RunningScans lists them, the newest first, at most 100.
	RunningScans(ctx context.Context) ([]RunningScan, error)
	// DeleteRunningScan deletes one, where it is there.
	DeleteRunningScan(ctx context.Context, id string) error
	// PruneRunningScans deletes those that nothing was heard of since a time.
	PruneRunningScans(ctx context.Context, before time.Time) error
}

// RunningScan is a scan that is not done.
type RunningScan struct {
	ID       string // of the decision that it will be
	At       time.Time
	PolicyID string
	Policy   string // the policy's name
	User     string
	Images   []RunningImage
	Seen     time.Time // when the server that does it told how far it is
}

// RunningImage is how far the scan of an image is.
type RunningImage struct {
	Reference string `json:"reference"`
	Done      int64  `json:"done,omitempty"`    // bytes of layers, compressed, that are read
	Total     int64  `json:"total,omitempty"`   // bytes of all layers; 0: not known yet
	Verdict   string `json:"verdict,omitempty"` // of the policy; empty: it is not judged yet
	Cause     string `json:"cause,omitempty"`   // why it could not be judged
}
