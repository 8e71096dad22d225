package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Presented connects to a server as an API server does, and gives the certificates that it presents: its own first. They are not
// judged here, so that all that is wrong with them can be told.
func Presented(ctx context.Context, address, serverName string, timeout time.Duration) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{
		ServerName: serverName, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, //nolint:gosec // webhook.JudgeCertificate verifies, nothing is sent
	}}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer within %s", timeout)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the address, and becomes a text
	}
	defer connection.Close()
	secured, ok := connection.(*tls.Conn)
	if !ok {
		return nil, errors.New("the connection is not secured")
	}
	return secured.ConnectionState().PeerCertificates, nil
}
