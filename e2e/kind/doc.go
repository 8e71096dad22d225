// Package kind installs the chart on real clusters and shows that it does what it promises: it makes them with kind, installs with
// Helm's own library, and looks with client-go. Its tests are behind the build tag e2e, as they need Docker and minutes: make e2e.
//
// The images come from RUNECAST_E2E_TAG (make images, scripts/nginx-image/build), the node from KIND_NODE_IMAGE or kind's own, what
// every cluster needs from KIND_BASE_CONFIG. A registry of the test, on the address of Docker's network, holds feed and workloads.
package kind
