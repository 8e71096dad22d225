package controlplane

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// DefaultLimit is how long an API server may take to come back. The kubelet looks at its manifests at least every 20 seconds, and
// gives the old API server 30 to end.
const DefaultLimit = 3 * time.Minute

// Node is a control-plane node whose files are changed. One tool at a time may work on it.
type Node struct {
	// Root is the folder that the node's file system is mounted at; "" and "/" are this machine.
	Root string
	// API is the node's API server. Without one the files are written and nothing is waited for, as for a node that does not run.
	API *API
	// Try sends a review to the webhook with a token, and says why that is not answered. Without it tokens are not tried.
	Try func(ctx context.Context, token string) error
	// Say is told each step in a sentence.
	Say func(step string)
	// Waiting is told how a wait goes: how long it lasts, how long it may, and what is not yet so. It may be nil.
	Waiting func(lasted, limit time.Duration, not error)
	// Limit is how long the API server may take to come back (default DefaultLimit).
	Limit time.Duration

	disk disk          // tests end the program within it
	poll time.Duration // how often a wait looks (default pollEvery)
	late time.Duration // when a change is taken for one that the kubelet did not see (default unnoticed)
}

func (n *Node) limit() time.Duration {
	if n.Limit <= 0 {
		return DefaultLimit
	}
	return n.Limit
}

func (n *Node) every() time.Duration {
	if n.poll <= 0 {
		return pollEvery
	}
	return n.poll
}

func (n *Node) unnoticed() time.Duration {
	if n.late <= 0 {
		return unnoticed
	}
	return n.late
}

func (n *Node) say(format string, values ...any) {
	if n.Say != nil {
		n.Say(fmt.Sprintf(format, values...))
	}
}

// opened locks the node against other runs and reads what was done to it.
func (n *Node) opened() (*state, func(), error) {
	d, done, err := newDisk(n.Root)
	if err != nil {
		return nil, nil, err
	}
	given := n.disk
	if given == nil {
		n.disk = d
	}
	lock, err := d.open(lockedFolder)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("this is no control-plane node of kubeadm, K3s or RKE2, or --root is not its file system: %w", err), done())
	}
	release := func() {
		// Closing frees it too, unless a process that is being started has the file open yet.
		_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN)
		_, _ = lock.Close(), done()
		n.disk = given
	}
	if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		release()
		return nil, nil, fmt.Errorf("lock %s: another run works on this node: %w", lockedFolder, err)
	}
	s, err := loadState(n.disk)
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}
