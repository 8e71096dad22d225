package app

import (
	"context"
	"errors"

	"github.com/runecast/runecast/pkg/web"
	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

// newSurvey gives what the pages and the REST interface ask about the cluster's webhooks: as the kubeconfig's user, else as the service
// account of the pod. Nothing is asked yet.
func newSurvey(config *Config) web.Webhooks {
	missing := func(text, remedy string) web.Webhooks {
		return func(context.Context) (*webhook.Survey, error) {
			return nil, &webhook.UnavailableError{Text: text, Remedy: remedy}
		}
	}
	if !config.WebhookStatus {
		return missing("it is switched off", "set webhookStatus to true; runecast webhook status shows it from elsewhere")
	}
	client, err := cluster.Connect(cluster.Access{Kubeconfig: config.Kubeconfig, InCluster: config.Kubeconfig == "", UserAgent: "runecast/" + buildVersion().Version})
	if errors.Is(err, cluster.ErrNotInCluster) {
		return missing(err.Error(), "run it in a pod with a service account that may list validatingwebhookconfigurations and namespaces, or give --kubeconfig; runecast webhook status shows it from elsewhere")
	}
	if err != nil {
		return missing(err.Error(), "mend --kubeconfig, or the service account's files")
	}
	return cluster.NewSurveyor(client, nil).Survey
}
