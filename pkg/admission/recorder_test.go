package admission_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/admission"
)

func TestStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	g.store.broken = errors.New("disk full")
	if g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, "")).Allowed {
		t.Error("allowed")
	}
	g.stop()
	line := g.log.String()
	for _, want := range []string{"decision not stored; this line is its only record", "disk full", `\"reviewUid\":\"u-1\"`, `\"reference\":\"nginx:1.19\"`} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %s: %s", want, line)
		}
	}
}

func TestDecisionWaitsForAStoreThatComesBack(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	g.store.mu.Lock()
	g.store.broken = errors.New("database is locked")
	g.store.mu.Unlock()
	g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, ""))
	g.until("the failure is logged", func() bool { return strings.Contains(g.log.String(), "decisions cannot be stored; trying again") })
	g.store.mu.Lock()
	g.store.broken = nil
	g.store.mu.Unlock()
	if d := g.one(); d.ReviewUID != "u-1" {
		t.Errorf("stored %+v", d)
	}
}

func TestOneDecisionThatCannotBeStoredHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	for _, namespace := range []string{"poison", "shop"} {
		g.review(strings.ReplaceAll(podReview("CREATE", []string{"nginx:1.19"}, nil, ""), `"shop"`, `"`+namespace+`"`))
	}
	g.stop()
	if all := g.store.all(); len(all) != 1 || all[0].Namespace != "shop" {
		t.Errorf("stored %+v", all)
	}
	if log := g.log.String(); strings.Count(log, "decision not stored; this line is its only record") != 1 {
		t.Errorf("log %s", log)
	}
}

// hanging is a store whose calls end with their context only.
type hanging struct{}

func (hanging) CreateDecisions(ctx context.Context, _ []*admission.Decision) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStoreThatHangsEndsWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock of the bubble jumps
		log := &safeBuffer{}
		logger := logrus.New()
		logger.SetOutput(log)
		recorder := admission.NewRecorder(hanging{}, logger)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- recorder.Run(ctx) }()
		for i := range 300 {
			recorder.Record(&admission.Decision{ID: strconv.Itoa(i)})
		}
		synctest.Wait()
		cancel()
		began := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("the end took %v, of the 30 s that Kubernetes gives", took)
		}
		if n := strings.Count(log.String(), "its only record"); n != 300 || recorder.Unstored() != 300 {
			t.Errorf("%d decisions are in the log, %d counted, want 300", n, recorder.Unstored())
		}
	})
}
