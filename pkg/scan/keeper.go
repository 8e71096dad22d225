package scan

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// keeper takes note of stores that fail. No scan fails for it.
type keeper struct {
	metrics Metrics
	log     logrus.FieldLogger
}

// storeTime is how long a scan waits for one operation of a store; it would rather do the work again.
const storeTime = 5 * time.Second

// ask calls a store and tells whether it answered.
func (k *keeper) ask(ctx context.Context, operation, digest string, fn func(context.Context) error) bool {
	bounded, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := fn(bounded); err != nil {
		k.failed(ctx, operation, digest, err)
		return false
	}
	return true
}

// failed reports a failed operation; one that failed for want of the caller's time is not the store's fault.
func (k *keeper) failed(ctx context.Context, operation, digest string, err error) {
	if ctx.Err() != nil {
		return
	}
	k.metrics.StoreFailed(operation)
	k.log.WithError(err).WithFields(logrus.Fields{"operation": operation, "digest": digest}).Warn("the store failed; the scan goes on without it")
}
