package app

import (
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store"
)

// notifier is what serve notifies with.
type notifier struct {
	store *store.Store
	plan  *notify.Plan
	loop  *notify.Loop
}

// newFence says where notifications may go.
func newFence(config *Config) (*image.Fence, error) {
	fence, err := image.NewFence("notificationAllowNetworks", config.NotificationAllowNetworks)
	if err != nil {
		return nil, fmt.Errorf("set up notifications: %w", err)
	}
	return fence, nil
}

func newNotifier(config *Config, s *store.Store, m *metrics, log logrus.FieldLogger) (*notifier, error) {
	fence, err := newFence(config)
	if err != nil {
		return nil, err
	}
	agent := "runecast/" + buildVersion().Version
	loop := notify.NewLoop(notify.Options{
		Outbox: s, Destinations: config.Notifications, Log: log, Keep: days(config.NotificationRetentionDays), Attempted: m.Notified,
		Sink: func(d *notify.Destination) notify.Sink { return notify.NewSink(d, fence, agent, config.PublicURL) },
	})
	return &notifier{store: s, plan: notify.NewPlan(config.Notifications, config.PublicURL), loop: loop}, nil
}

// decisions is the store with notifications about what is put into it.
func (n *notifier) decisions() admission.DecisionStore {
	return notify.Decisions{Store: n.store, Plan: n.plan}
}

// flips is likewise.
func (n *notifier) flips() rematch.Store { return notify.Flips{Recording: n.store, Plan: n.plan} }
