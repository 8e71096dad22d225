package job

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
)

// removalWait is the time for the API servers to forget a webhook configuration that was deleted: they watch them.
const removalWait = 3 * time.Second

// Remover deletes what certgen works on. Things that are not there are no error; deleted tells whether one was.
type Remover interface {
	DeleteConfiguration(ctx context.Context, name string) (deleted bool, err error)
	// DeleteSecret leaves a Secret alone that certgen did not make.
	DeleteSecret(ctx context.Context, name string) (deleted bool, err error)
	// Callers gives the names of the webhook configurations made by hand that call the services of this release.
	Callers(ctx context.Context) ([]string, error)
}

// Removal says what is to go before an uninstall.
type Removal struct {
	Configuration string   // the chart's webhook configuration; none when empty
	Secrets       []string // names
	Clock         Clock
	Log           logrus.FieldLogger
}

// Remove deletes the webhook configuration, waits until no API server calls it any more, and then deletes the Secrets: in another
// order workloads would be refused meanwhile. Configurations made by hand are the user's, so they stay, and the log names them.
func (r *Removal) Remove(ctx context.Context, from Remover) error {
	if r.Configuration != "" {
		deleted, err := from.DeleteConfiguration(ctx, r.Configuration)
		if err != nil {
			return err //nolint:wrapcheck // it says what failed
		}
		if deleted {
			r.Log.WithField("for", removalWait.String()).Info("ValidatingWebhookConfiguration " + r.Configuration + " is deleted; wait until API servers know")
			if err := r.Clock.Wait(ctx, removalWait); err != nil {
				return fmt.Errorf("wait until API servers know that %s is gone: %w", r.Configuration, err)
			}
		}
	}
	for _, name := range r.Secrets {
		deleted, err := from.DeleteSecret(ctx, name)
		if err != nil {
			return err //nolint:wrapcheck // it says what failed
		}
		if deleted {
			r.Log.Info("Secret " + name + " is deleted")
		}
	}
	callers, err := from.Callers(ctx)
	if err != nil {
		r.Log.WithError(err).Warn("webhook configurations made by hand could not be looked at")
	}
	for _, name := range callers {
		r.Log.WithField("configuration", name).Warn("a webhook configuration made by hand still calls this release: unless it fails open, workloads are refused until you delete it: kubectl delete validatingwebhookconfiguration " + name)
	}
	return nil
}
