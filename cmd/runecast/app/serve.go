package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/runecast/runecast/pkg/admission"
)

// Timeouts of the server. Idle connections are kept longer than the API server keeps them (90 s), so that it never writes
// to one that is just being closed.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 31 * time.Second
	writeTimeout      = 62 * time.Second
	idleTimeout       = 120 * time.Second
	shutdownTimeout   = 15 * time.Second // for reviews under way; decisions and scans have as long after that, within Kubernetes' 30 s
	maxHeaderBytes    = 64 << 10
)

const serveName = "serve"

var errStopping = errors.New("the server is shutting down")

func newServe(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   serveName,
		Short: "Answer admission reviews",
		Long: `Serves reviews over HTTPS. Without a certificate it issues one for itself: the CA to trust is
tls/ca.crt in the data directory, and stays the same. Behind a proxy that ends TLS use --plain-http.

A server without vulnerability data starts, says so, and leaves every verdict to the policies'
onNoFeed (default: deny). It takes a feed over as soon as there is one. With --feed-url it gets
its feed by itself, at once and every hour; where that fails the one in place stays in use.`,
		Example: `  runecast serve
  runecast serve --listen 127.0.0.1:8080 --plain-http
  runecast serve --tls-cert-file tls.crt --tls-key-file tls.key --policy-files policies.yaml
  runecast serve --database postgres://runecast@db/runecast --feed /feed/feed.index
  runecast serve --feed-url oci://registry.example.com/runecast/feed:latest --feed-update-interval 30m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
	flags := cmd.Flags()
	addStoreFlags(flags)
	addFeedFlags(flags)
	addUpdateFlags(flags)
	addPolicyFlags(flags)
	addScanFlags(flags)
	addRetentionFlags(flags)
	addOIDCFlags(flags)
	addNotifyFlags(flags)
	flags.Bool("webhook-status", true, "tell on the pages and by REST what guards which namespaces of the cluster")
	flags.Int("notification-retention-days", 0, "how long notifications are kept that were sent or given up; 0: for ever (default 30)")
	addKubeconfigFlag(flags, "that of the pod it runs in, else none")
	flags.String("listen", "", "`address` to serve on; port 0 takes a free one (default :9080)")
	flags.Bool("plain-http", false, "serve without TLS, for life behind a proxy that has it")
	flags.String("tls-cert-file", "", "PEM `file` of the certificate and its chain (default: a self-issued one)")
	flags.String("tls-key-file", "", "PEM `file` of the certificate's key")
	flags.StringSlice("tls-names", nil, "more `names` and addresses for the self-issued certificate")
	flags.String("review-key-dir", "", "`directory` with the files key and previous: keys that may stand in a review's path")
	flags.String("token-dir", "", "`directory` whose files are API tokens, such as a mounted Secret")
	flags.String("token-access-type", "", "access `type` of the tokens of --token-dir (default Review)")
	flags.String("admin-password-file", "", "`file` with the one-time password of the pages' first administrator, admin (default: the log tells one)")
	flags.StringSlice("trusted-proxies", nil, "`networks` and addresses of proxies whose X-Forwarded-For is believed (default none)")
	flags.Int("max-in-flight", 0, "reviews handled at a time (default 1024)")
	flags.StringSlice("platforms", nil, "`os/arch` of the cluster's nodes, for workloads that do not say (default linux/amd64)")
	return cmd
}

// serve runs the server until its context ends, then finishes what is under way.
func (c *command) serve(ctx context.Context) error {
	s, err := newServer(ctx, &c.config, c.log)
	if err != nil {
		return err
	}
	listener, err := c.listen(ctx, s.metrics)
	if err != nil {
		return errors.Join(err, s.close(ctx))
	}
	// Loops and reviews outlive the signal that ends the server: they stop in order, reviews first.
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	group, failed := errgroup.WithContext(loops)
	for _, loop := range s.loops {
		group.Go(func() error { return loop(failed) })
	}
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: newErrorLog(c.log),
	}
	server.RegisterOnShutdown(s.ending)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c.log.WithFields(logrus.Fields{"address": c.scheme() + "://" + listener.Addr().String(), "version": buildVersion().Version}).Info("listening")

	select {
	case <-ctx.Done():
		c.log.Info("shutting down")
	case <-failed.Done():
	case err = <-served:
		err = fmt.Errorf("serve %s: %w", c.config.Listen, err)
	}
	s.health.stopping.Store(true)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(end))
	stopLoops()
	if loopErr := group.Wait(); loopErr != nil && !errors.Is(loopErr, context.Canceled) {
		err = errors.Join(err, loopErr)
	}
	return errors.Join(err, s.close(end))
}

func (c *command) scheme() string {
	if c.config.PlainHTTP {
		return "http"
	}
	return "https"
}

// listen opens the server's address, with TLS unless it is switched off.
func (c *command) listen(ctx context.Context, m *metrics) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", c.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.config.Listen, err)
	}
	if c.config.PlainHTTP {
		return listener, nil
	}
	certificate := c.certificate()
	if err := certificate.start(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	m.gauge("runecast_certificate_expiry_timestamp_seconds", "When the serving certificate ends, in seconds since 1970.", func() float64 { return float64(certificate.ends().Unix()) })
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, NextProtos: []string{"http/1.1"},
	}), nil
}

// certificate is the one of the configuration, else a self-issued one.
func (c *command) certificate() *servingCertificate {
	if c.config.TLSCertFile != "" {
		return newFromFiles(c.config.TLSCertFile, c.config.TLSKeyFile, time.Now, c.log)
	}
	names := c.config.TLSNames
	if host, _, err := net.SplitHostPort(c.config.Listen); err == nil && host != "" {
		names = append(names, host)
	}
	issuer := selfIssued{dir: c.config.tlsDir(), names: names}
	c.log.WithField("ca", issuer.caFile()).Info("serving with a self-issued certificate")
	return newSelfIssued(issuer, time.Now, c.log)
}

// routes puts everything that is served on one mux, which never redirects: the API server would follow.
func routes(review *admission.Handler, h *health, m *metrics, more ...func(*http.ServeMux)) http.Handler {
	mux := http.NewServeMux()
	for _, register := range more {
		register(mux)
	}
	review.Register(mux)
	h.register(mux)
	mux.Handle("GET /metrics", m.handler())
	mux.HandleFunc("/", admission.NotFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean("/"+strings.TrimSuffix(r.URL.Path, "/")) && r.URL.Path != "/" {
			admission.NotFound(w, r) // the mux would redirect to the clean path
			return
		}
		mux.ServeHTTP(w, r)
	})
}
