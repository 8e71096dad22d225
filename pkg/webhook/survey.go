package webhook

import (
	"fmt"
	"slices"
	"time"
)

// Survey is who is guarded by what in a cluster.
type Survey struct {
	Webhooks   []SurveyedWebhook   `json:"webhooks"`
	Namespaces []SurveyedNamespace `json:"namespaces"`
	Others     []string            `json:"others"` // configurations whose webhooks call somebody else
}

// SurveyedWebhook is a webhook that calls us.
type SurveyedWebhook struct {
	Configuration  string       `json:"configuration"`
	Webhook        string       `json:"webhook"`
	Policy         string       `json:"policy"`
	Target         string       `json:"target"`
	FailurePolicy  string       `json:"failurePolicy"`
	TimeoutSeconds int32        `json:"timeoutSeconds"`
	Managers       []string     `json:"managers"`
	Guarded        int          `json:"guarded"`               // namespaces
	Certificate    *Certificate `json:"certificate,omitempty"` // where somebody looked
}

// Certificate is what was found about the certificate of the server that a webhook calls.
type Certificate struct {
	Expires  time.Time `json:"expires,omitzero"` // of the one that the server presents; zero where it could not be seen
	Good     bool      `json:"good"`             // no finding is a problem
	Findings []Finding `json:"findings"`         // of it and of caBundle
}

// SurveyedNamespace says what guards a namespace.
type SurveyedNamespace struct {
	Name      string    `json:"name"`
	GuardedBy []Guarded `json:"guardedBy"`
	Why       []string  `json:"why,omitempty"` // it is not guarded, a reason for each webhook that leaves it alone
}

// Guarded names the webhook that judges a namespace's workloads.
type Guarded struct {
	Configuration string `json:"configuration"`
	Webhook       string `json:"webhook"`
	Policy        string `json:"policy"`
	FailurePolicy string `json:"failurePolicy"`
}

// UnavailableError is why there is no survey, and what to do about it.
type UnavailableError struct{ Text, Remedy string }

// Error implements error.
func (e *UnavailableError) Error() string { return e.Text + ": " + e.Remedy }

// Take makes a survey of configurations over namespaces.
func Take(configurations []Configuration, namespaces []Namespace) (*Survey, error) {
	s := &Survey{Webhooks: []SurveyedWebhook{}, Namespaces: make([]SurveyedNamespace, len(namespaces)), Others: []string{}}
	for i := range namespaces {
		s.Namespaces[i] = SurveyedNamespace{Name: namespaces[i].Name, GuardedBy: []Guarded{}}
	}
	for i := range configurations {
		if err := s.add(&configurations[i], namespaces); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// because notes why a webhook leaves the namespace alone, the strongest reason first.
func (n *SurveyedNamespace) because(why string) {
	switch {
	case slices.Contains(n.Why, why):
	case why == ExcludedByName:
		n.Why = slices.Insert(n.Why, 0, why)
	default:
		n.Why = append(n.Why, why)
	}
}

// add counts a configuration in.
func (s *Survey) add(configuration *Configuration, namespaces []Namespace) error {
	managers, err := Managers(configuration)
	if err != nil {
		return err
	}
	ours := false
	for i := range configuration.Webhooks {
		w := &configuration.Webhooks[i]
		target, calls := Review(configuration, w)
		if !calls {
			continue
		}
		ours = true
		row := SurveyedWebhook{
			Configuration: configuration.Name, Webhook: w.Name, Policy: target.Policy, Target: target.String(),
			FailurePolicy: FailurePolicy(w), Managers: managers,
		}
		if w.TimeoutSeconds != nil {
			row.TimeoutSeconds = *w.TimeoutSeconds
		}
		for j := range namespaces {
			selected, why, err := Selects(w, namespaces[j])
			if err != nil {
				return fmt.Errorf("%s: %w", configuration.Name, err)
			}
			n := &s.Namespaces[j]
			if selected {
				row.Guarded++
				n.GuardedBy = append(n.GuardedBy, Guarded{configuration.Name, w.Name, target.Policy, row.FailurePolicy})
			} else {
				n.because(why)
			}
		}
		s.Webhooks = append(s.Webhooks, row)
	}
	if !ours {
		s.Others = append(s.Others, configuration.Name)
	}
	return nil
}
