package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/retention"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
	"github.com/runecast/runecast/pkg/web/ui"
)

// openStore opens the configured database, and makes the data directory for a SQLite file.
func openStore(ctx context.Context, config *Config, log logrus.FieldLogger) (*store.Store, error) {
	if config.Database == config.defaultDatabase() {
		if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	}
	s, err := store.Open(ctx, config.Database, log)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return s, nil
}

// engine is the part that server and local commands have in common: from a reference to a verdict.
type engine struct {
	policies *policy.Set
	feeds    *feed.Holder
	scanner  *scan.Engine
	puller   *image.Puller
}

// newPuller makes the client of registries, whose rules hold for images and for the feed.
func newPuller(config *Config, log logrus.FieldLogger) (*image.Puller, error) {
	own, err := serverKeychain(config.RegistryKeychains, log)
	if err != nil {
		return nil, err
	}
	puller, err := image.NewPuller(image.Options{
		Keychain:  own,
		PlainHTTP: config.RegistryPlainHTTP, AllowNetworks: config.RegistryAllowNetworks, TokenHosts: config.RegistryTokenHosts, ConfigDir: config.RegistryConfigDir, CAFiles: config.RegistryCAFiles,
		MaxRate: config.RegistryRateLimit, MaxConnections: config.RegistryMaxConnections, UserAgent: "runecast/" + buildVersion().Version,
		ResolveTTL: config.ResolveTTL, MaxImageBytes: config.MaxImageBytes, MaxLayerBytes: config.MaxLayerBytes,
		MaxUncompressedBytes: config.MaxUncompressedBytes, MaxRatio: config.MaxRatio, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the registry client: %w", err)
	}
	return puller, nil
}

// newEngine wires registry, feed, caches and policies together. A nil store means that nothing outlives the process.
func newEngine(config *Config, s *store.Store, observe scan.Metrics, progress func(scan.Progress), log logrus.FieldLogger) (*engine, error) {
	policies, err := loadPolicies(config)
	if err != nil {
		return nil, err
	}
	for _, warning := range policies.Warnings(time.Now()) {
		log.Warn(warning)
	}
	trust, err := image.ParseTOCTrust(config.LayerToc)
	if err != nil {
		return nil, fmt.Errorf("set up the scanner: %w", err)
	}
	puller, err := newPuller(config, log)
	if err != nil {
		return nil, err
	}
	feeds := feed.NewHolder(config.Feed, 0, log)
	options := scan.Options{
		Images: puller, Feeds: feeds, Timeout: config.ScanTimeout, MaxScans: config.ScanConcurrency,
		Tables: puller, TrustTables: trust, Metrics: observe, Progress: progress, Log: log,
	}
	if s != nil { // a nil *store.Store in an interface would not be nil
		options.Reports, options.Inventories, options.Layers = s, s, s
	}
	scanner, err := scan.NewEngine(options)
	if err != nil {
		return nil, fmt.Errorf("set up the scanner: %w", err)
	}
	return &engine{policies: policies, feeds: feeds, scanner: scanner, puller: puller}, nil
}

// feedInfo describes the feed in use.
func (e *engine) feedInfo() (advisory.Info, error) {
	index, release, err := e.feeds.Current()
	if err != nil {
		return advisory.Info{}, err //nolint:wrapcheck // it says all there is to say
	}
	defer release()
	return index.Info(), nil
}

// local is what the commands that judge without a server need.
type local struct {
	*engine
	reviewer *admission.Reviewer
	store    *store.Store // nil: could not be opened, and nothing is cached
}

// newLocal wires up the commands that judge without a server. They use the store as a cache and do without it where it cannot be opened.
func newLocal(ctx context.Context, config *Config, progress func(scan.Progress), log *logrus.Logger) (*local, error) {
	s, err := openStore(ctx, config, log)
	if err != nil {
		log.WithError(err).Warn("going on without a cache of earlier scans")
	}
	m := newMetrics()
	own := *config
	if len(own.RegistryAllowNetworks) == 0 { // whoever runs a command names the images and is on the machine already
		own.RegistryAllowNetworks = image.LocalNetworks()
	}
	e, err := newEngine(&own, s, m, progress, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	secrets, err := newPullSecrets(config, false, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	reviewer := admission.NewReviewer(admission.ReviewerConfig{
		PullSecrets: secrets, Scanner: e.scanner, Metrics: m, Log: log, Trigger: admission.TriggerCLI, Platforms: config.Platforms,
	})
	return &local{engine: e, reviewer: reviewer, store: s}, nil
}

// close waits until what scans learned is stored. Once the command's context has ended, nobody waits for scans that go on.
func (l *local) close(ctx context.Context) error {
	wait := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		wait = ctx
	}
	err := l.scanner.Wait(wait)
	if ctx.Err() != nil {
		err = nil // the command says already that it was ended
	}
	return errors.Join(err, closeStore(l.store))
}

// ended words the end of a command by a signal or its time limit, in place of what broke because of it.
func ended(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("not done within the time limit: give a longer --timeout")
	default:
		return errors.New("interrupted")
	}
}

func closeStore(s *store.Store) error {
	if s == nil {
		return nil
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// server is everything that serve runs.
type server struct {
	handler http.Handler
	health  *health
	loops   []func(context.Context) error // until their context ends
	ending  func()                        // to be called when no more requests are taken
	engine  *engine
	store   *store.Store
	metrics *metrics
}

// newServer wires the server up. Nothing runs until its loops and its handler do.
func newServer(ctx context.Context, config *Config, log *logrus.Logger) (*server, error) {
	s, err := openStore(ctx, config, log)
	if err != nil {
		return nil, err
	}
	m := newMetrics()
	board := &ui.Board{}
	e, err := newEngine(config, s, m, board.Tell, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	policies, err := livePolicies(ctx, e.policies, s, m, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	secrets, err := newPullSecrets(config, true, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	authenticator := auth.NewAuthenticator(auth.WithFiles(s, credentialFiles(config)...), auth.Options{Log: log})
	notices, err := newNotifier(config, s, m, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	recorder := admission.NewRecorder(notices.decisions(), log)
	h := &health{
		loaded: authenticator.Loaded, tokens: authenticator.Healthy, writable: (&remembered{ask: s.Writable}).get, recorded: recorder.Err, feed: e.feedInfo, feedErr: e.feeds.LastError, policies: policies.Err, policyProblems: policies.Problems, now: time.Now,
	}
	e.countFeed(m)
	m.counter("runecast_decisions_unstored_total", "Decisions that could not be stored and are in the log alone.", func() float64 { return float64(recorder.Unstored()) })
	reviewer := admission.NewReviewer(admission.ReviewerConfig{PullSecrets: secrets, Scanner: e.scanner, Metrics: m, Log: log, Platforms: config.Platforms, PublicURL: config.PublicURL})
	handler := admission.NewHandler(admission.HandlerConfig{
		Authorizer: authorizer{authenticator}, Policies: policies, Recorder: recorder, Metrics: m, Log: log, MaxInFlight: config.MaxInFlight, Reviewer: reviewer,
	})
	auditor := auth.NewAuditLog(s, log, nil)
	m.counter("runecast_audit_unstored_total", "Entries of the audit log that could not be stored and are in the log alone.", func() float64 { return float64(auditor.Unstored()) })
	proxies, err := auth.ParseProxies(config.TrustedProxies)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	sso, err := singleSignOn(config, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	survey, told := newSurvey(config), web.Notices{Mailbox: s, Destinations: config.Notifications}
	firstAdministrator(ctx, config, s, auditor, log)
	preview, jobs := impact.New(impact.Options{Store: s, Feeds: e.feeds, Busy: func() bool { return handler.InFlight() > 0 }}), ui.NewJobs(s, reviewer, board, log, nil)
	rest := func(mux *http.ServeMux) { //nolint:contextcheck // each request has its own
		description := web.Register(mux, web.Options{
			Store: s, Policies: policies, Preview: preview, Reviewer: reviewer, Recorder: recorder, Authenticator: authenticator, Auditor: auditor, Feed: e.feedInfo, Webhooks: survey, Notices: told, Version: buildVersion().Version, PublicURL: config.PublicURL, Log: log,
		})
		ui.Register(mux, ui.Options{
			Store: s, Policies: policies, Preview: preview, Jobs: jobs, Sessions: auth.NewSessions(s, nil), Webhooks: survey, Notices: told, Auditor: auditor, SingleSignOn: sso, API: description, Version: buildVersion().Version, Feed: e.feedInfo, Log: log,
		})
	}
	if _, failure := e.feedInfo(); failure != nil {
		log.WithError(failure).Warn("there is no vulnerability data: images are judged by the policies' onNoFeed until there is; see runecast feed --help")
	}
	loops := []func(context.Context) error{authenticator.Run, recorder.Run, policies.Run, e.feeds.Run}
	updater, err := newUpdater(config, e.puller, e.feeds.Look, log)
	if err != nil {
		return nil, errors.Join(err, closeStore(s))
	}
	if updater != nil {
		loops, h.updates = append(loops, updater.Run), updater
		m.updates(updater)
	}
	again := rematch.New(rematch.Options{
		Store: notices.flips(), Feeds: e.feeds, Policies: policies, Log: log, Flipped: m.Flipped, Busy: func() bool { return handler.InFlight() > 0 },
	})
	keep := retention.New(retention.Options{
		Store: s, Log: log, Pruned: m.Pruned, Decisions: days(config.DecisionRetentionDays), Flips: days(config.FlipRetentionDays), Audit: days(config.AuditRetentionDays), MaxFlips: config.MaxFlips,
	})
	return &server{
		handler: proxies.Handler(routes(handler, h, m, rest)), health: h, engine: e, store: s, metrics: m,
		loops: append(loops, again.Run, keep.Run, jobs.Run, notices.loop.Run), ending: jobs.EndStreams,
	}, nil
}

// days gives a number of days as a duration.
func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// close ends what the loops and the handler leave behind: scans that go on in the background, and the database.
func (s *server) close(ctx context.Context) error {
	return errors.Join(s.engine.scanner.Wait(ctx), closeStore(s.store))
}

// authorizer lets principals submit reviews that may.
type authorizer struct{ tokens *auth.Authenticator }

// AuthorizeReview implements admission.Authorizer.
func (a authorizer) AuthorizeReview(ctx context.Context, authorization string) error {
	return mayReview(a.tokens.Authenticate(ctx, authorization))
}

// AuthorizeKey implements admission.Authorizer.
func (a authorizer) AuthorizeKey(ctx context.Context, key string) error {
	return mayReview(a.tokens.AuthenticateKey(ctx, key))
}

func mayReview(principal auth.Principal, err error) error {
	switch {
	case errors.Is(err, auth.ErrNoToken), errors.Is(err, auth.ErrBadToken):
		return admission.ErrUnauthenticated
	case err != nil:
		return fmt.Errorf("check the token: %w", err)
	case !principal.May(auth.ActionReview):
		return admission.ErrForbidden
	default:
		return nil
	}
}
