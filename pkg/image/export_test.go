package image

import (
	"net/http"
	"syscall"
)

// RefuseReserved is what the default transport asks before it connects; tests cannot make names resolve to such addresses.
func RefuseReserved(network, address string, c syscall.RawConn) error {
	return refuseReserved(network, address, c)
}

// DirectTransport is the part of the default transport that needs no proxy.
func DirectTransport() http.RoundTripper { return newNetwork().direct }
