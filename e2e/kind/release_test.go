//go:build e2e

package kind_test

import (
	"context"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
)

const (
	releaseName      = "runecast"
	releaseNamespace = "runecast"
	helmTimeout      = 4 * time.Minute
)

// values is a tree of the chart's values.
type values = map[string]any

// chart loads the chart anew, as Helm changes what it is given.
func (l *lab) chart() *chart.Chart {
	l.t.Helper()
	c, err := loader.Load(filepath.Join("..", "..", "charts", "runecast"))
	must(l.t, err)
	return c
}

// values are those that every installation of the lab needs, with more over them.
func (l *lab) values(more ...values) values {
	image := func(name string) values {
		return values{"repository": imagePrefix + name, "tag": l.tag, "pullPolicy": "Never"}
	}
	all := values{
		"nginx":      values{"image": image("runecast-nginx")},
		"server":     values{"image": image("runecast")},
		"certgen":    values{"image": image("runecast-certgen"), "propagationWait": "5s", "contractAfter": "10s", "keyWait": "30s"},
		"feed":       values{"url": l.registry.feed, "updateInterval": "1m"},
		"registries": values{"allowNetworks": []any{l.registry.host}, "plainHTTP": []any{l.registry.host}},
	}
	for _, v := range more {
		all = chartutil.MergeTables(maps.Clone(v), all)
	}
	return all
}

// helm gives Helm's library for a namespace.
func (l *lab) helm(namespace string) *action.Configuration {
	l.t.Helper()
	settings := cli.New()
	settings.KubeConfig = l.kubeconfig
	settings.SetNamespace(namespace)
	c := new(action.Configuration)
	must(l.t, c.Init(settings.RESTClientGetter(), namespace, "secret", func(string, ...any) {}))
	return c
}

// install installs the chart as `helm install --create-namespace --wait` does.
func (l *lab) install(ctx context.Context, namespace string, v values) (*release.Release, error) {
	l.t.Helper()
	install := action.NewInstall(l.helm(namespace))
	install.ReleaseName, install.Namespace, install.CreateNamespace = releaseName, namespace, true
	install.Wait, install.Timeout = true, helmTimeout
	return install.RunWithContext(ctx, l.chart(), v)
}

func (l *lab) upgrade(ctx context.Context, v values) error {
	l.t.Helper()
	upgrade := action.NewUpgrade(l.helm(releaseNamespace))
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = releaseNamespace, true, helmTimeout
	_, err := upgrade.RunWithContext(ctx, releaseName, l.chart(), v)
	return err
}

func (l *lab) rollback(revision int) error {
	l.t.Helper()
	rollback := action.NewRollback(l.helm(releaseNamespace))
	rollback.Version, rollback.Wait, rollback.Timeout = revision, true, helmTimeout
	return rollback.Run(releaseName)
}

func (l *lab) uninstall(namespace string) error {
	l.t.Helper()
	uninstall := action.NewUninstall(l.helm(namespace))
	uninstall.Wait, uninstall.Timeout = true, helmTimeout
	_, err := uninstall.Run(releaseName)
	return err
}

// helmTest runs `helm test`.
func (l *lab) helmTest() error {
	l.t.Helper()
	tests := action.NewReleaseTesting(l.helm(releaseNamespace))
	tests.Timeout = helmTimeout
	tests.Namespace = releaseNamespace
	_, err := tests.Run(releaseName)
	return err
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
