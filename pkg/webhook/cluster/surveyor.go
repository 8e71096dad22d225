package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/runecast/runecast/pkg/webhook"
)

const (
	surveyFor     = 15 * time.Second // a survey is given again for so long
	surveyTimeout = 15 * time.Second // for all that is asked
	dialTimeout   = 3 * time.Second  // for a server's certificate
	dialsAtOnce   = 8
	expirySoon    = 21 * 24 * time.Hour // certgen renews 30 days before the end
)

// grant is how a server gets the rights for a survey.
const grant = "give its service account the right to list validatingwebhookconfigurations (admissionregistration.k8s.io) and namespaces, " +
	"with a ClusterRole and its binding; or set webhookStatus to false"

// Surveyor tells what guards which namespaces, as often as it is asked, and asks the API server now and then. It is safe for
// concurrent use.
type Surveyor struct {
	client *Client
	now    func() time.Time

	mu    sync.Mutex
	last  *webhook.Survey
	since time.Time
}

// NewSurveyor makes a Surveyor; now defaults to time.Now.
func NewSurveyor(client *Client, now func() time.Time) *Surveyor {
	if now == nil {
		now = time.Now
	}
	return &Surveyor{client: client, now: now}
}

// Survey gives who is guarded by what, with the certificates of the servers that are called, at most 15 s old. Nobody may change
// it. An error is a *webhook.UnavailableError where somebody can do something about it, and is not kept.
func (s *Surveyor) Survey(ctx context.Context) (*webhook.Survey, error) {
	s.mu.Lock() // one asks, others wait for the answer
	defer s.mu.Unlock()
	if s.last != nil && s.now().Sub(s.since) < surveyFor {
		return s.last, nil
	}
	// Whoever waits wants the answer even where the one who began does not any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), surveyTimeout)
	defer cancel()
	survey, err := s.take(ctx)
	if err != nil {
		if apierrors.IsForbidden(err) {
			return nil, &webhook.UnavailableError{Text: err.Error(), Remedy: grant}
		}
		return nil, err
	}
	s.last, s.since = survey, s.now()
	return survey, nil
}

func (s *Surveyor) take(ctx context.Context) (*webhook.Survey, error) {
	configurations, err := s.client.Configurations(ctx)
	if err != nil {
		return nil, err
	}
	namespaces, err := s.client.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	survey, err := webhook.Take(configurations, namespaces)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the configuration
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, dialsAtOnce)
	n := 0
	for i := range configurations {
		for j := range configurations[i].Webhooks {
			if _, ours := webhook.Review(&configurations[i], &configurations[i].Webhooks[j]); !ours {
				continue
			}
			row := &survey.Webhooks[n] // they are in this order
			n++
			slots <- struct{}{}
			wait.Go(func() {
				defer func() { <-slots }()
				row.Certificate = s.certificate(ctx, &configurations[i], j)
			})
		}
	}
	wait.Wait()
	return survey, nil
}

// certificate looks at caBundle and at what the server presents.
func (s *Surveyor) certificate(ctx context.Context, configuration *webhook.Configuration, index int) *webhook.Certificate {
	w := &configuration.Webhooks[index]
	target, _ := webhook.Review(configuration, w)
	now := s.now()
	found := &webhook.Certificate{Findings: webhook.InspectBundle(w.ClientConfig.CABundle, now, expirySoon)}
	presented, err := Presented(ctx, target.Address, target.ServerName, dialTimeout)
	if err != nil {
		found.Findings = append(found.Findings, webhook.Finding{
			Level: webhook.LevelProblem, Check: "connection", Text: "the server could not be looked at from here: " + webhook.RedactText(err.Error()),
		})
	} else {
		found.Expires = presented[0].NotAfter.UTC()
		found.Findings = append(found.Findings, webhook.JudgeCertificate(presented, w.ClientConfig.CABundle, target.ServerName, now, expirySoon)...)
	}
	found.Good = !slices.ContainsFunc(found.Findings, func(f webhook.Finding) bool { return f.Level == webhook.LevelProblem })
	return found
}
