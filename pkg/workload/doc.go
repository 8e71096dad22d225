// Package workload reads Kubernetes objects that run containers: pods, and the kinds that carry a pod template.
//
// A review needs few facts of an object that can be megabytes large: which images it names, where it may run, and which
// pull secrets it brings. Parse decodes only those. Four places of a pod name an image: containers, init containers, ephemeral
// containers (kubectl debug) and image volumes; forgetting one is a way around the gate, so all four are one list here.
//
// NewImages compares an object with its former self. Controllers update objects all the time without touching an image (finalizers, labels, scale),
// and such updates must pass without a scan: refusing one leaves pods stuck in termination, or blocks the
// rollout of the very image that fixes a vulnerability.
package workload
