package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/pkg/webhook"
)

const (
	authKey    = "key"
	authBearer = "bearer"

	defaultServingSecret = "runecast-nginx-tls" //nolint:gosec // G101: the name of a Secret, not what is in it

	portName = "https"
	day      = 24 * time.Hour
)

// options are the flags as they were given.
type options struct {
	kubeconfig, logLevel string

	namespace, source                  string
	caSecret, servingSecret, keySecret string
	services                           []string
	clusterDomain                      string
	dnsNames                           []string
	addresses                          []net.IP
	configuration                      string
	adopt                              []string
	auth, frontService                 string
	propagationWait, keyWait           time.Duration
	contractAfter, leafValidity        time.Duration
	caValidity, timeout                time.Duration
	rotateRequest, pushGateway         string
}

func (o *options) add(f *pflag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file`, outside of a cluster (default: the service account of the pod)")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVarP(&o.namespace, "namespace", "n", "runecast", "`namespace` of the Secrets and Services")
	f.StringVar(&o.source, "tls-source", string(plan.SourceCertgen), "who issues the serving certificate: certgen, cert-manager or existingSecret")
	f.StringVar(&o.caSecret, "ca-secret", "runecast-ca", "Secret of the CA")
	f.StringVar(&o.servingSecret, "serving-secret", defaultServingSecret, "Secret of the serving certificate")
	f.StringVar(&o.keySecret, "key-secret", "runecast-review-key", "Secret of the credential in the path of reviews")
	f.StringArrayVar(&o.services, "service", []string{"runecast-nginx", "runecast-server"}, "Service that the certificate is for (repeatable)")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	f.StringArrayVar(&o.dnsNames, "dns-name", nil, "one more DNS name for the certificate (repeatable)")
	f.IPSliceVar(&o.addresses, "ip-address", nil, "one more IP address for the certificate (repeatable)")
	f.StringVar(&o.configuration, "webhook-configuration", "", "ValidatingWebhookConfiguration of the chart; none when empty")
	f.StringArrayVar(&o.adopt, "adopt", nil, "ValidatingWebhookConfiguration made by hand whose caBundle is to follow the CA (repeatable; it need not be there)")
	f.StringVar(&o.auth, "auth", authKey, "how the API server proves itself: key (in the path) or bearer (a token that it was given)")
	f.StringVar(&o.frontService, "front-service", "runecast-nginx", "Service whose ready endpoints are looked at for the certificate that they present; none when empty")
	f.DurationVar(&o.propagationWait, "propagation-wait", 30*time.Second, "time for the API servers to take up a caBundle, in a rotation of the CA")
	f.DurationVar(&o.keyWait, "key-wait", 3*time.Minute, "time for the review servers to take up a new review key, in a rotation of it")
	f.DurationVar(&o.contractAfter, "contract-after", day, "time from when all use the new CA or key until the old one is dropped")
	f.DurationVar(&o.leafValidity, "leaf-validity", 90*day, "validity of the serving certificate; it is renewed when two thirds are over")
	f.DurationVar(&o.caValidity, "ca-validity", 3650*day, "validity of the CA; it is rotated when two thirds are over")
	f.StringVar(&o.rotateRequest, "rotate-request", "", "any text; a rotation of the CA begins when it is another one than at the last rotation")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "time of the whole run; longer waits are left to the next one")
	f.StringVar(&o.pushGateway, "push-gateway", "", "`URL` of a Prometheus Pushgateway to send metrics to; none when empty")
}

// validate gives all that is wrong with the flags at once.
func (o *options) validate() error { //nolint:gocyclo // one check after the other, all of them told at once
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !slices.Contains([]plan.Source{plan.SourceCertgen, plan.SourceCertManager, plan.SourceExisting}, plan.Source(o.source)) {
		wrong("--tls-source %q is none of certgen, cert-manager, existingSecret", o.source)
	}
	if o.auth != authKey && o.auth != authBearer {
		wrong("--auth %q is none of key, bearer", o.auth)
	}
	for flag, name := range map[string]string{"namespace": o.namespace, "ca-secret": o.caSecret, "serving-secret": o.servingSecret, "key-secret": o.keySecret} {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			wrong("--%s %q is no name of a Kubernetes object", flag, name)
		}
	}
	if len(o.services) == 0 {
		wrong("at least one --service is needed")
	}
	for flag, d := range map[string]time.Duration{"propagation-wait": o.propagationWait, "key-wait": o.keyWait, "contract-after": o.contractAfter} {
		if d < 0 {
			wrong("--%s %s is negative", flag, d)
		}
	}
	for flag, d := range map[string]time.Duration{"leaf-validity": o.leafValidity, "ca-validity": o.caValidity, "timeout": o.timeout} {
		if d <= 0 {
			wrong("--%s %s is not positive", flag, d)
		}
	}
	if o.leafValidity > o.caValidity/3 {
		wrong("--leaf-validity %s is more than a third of --ca-validity %s, so the CA could end first", o.leafValidity, o.caValidity)
	}
	if slices.Contains(o.adopt, o.configuration) && o.configuration != "" {
		wrong("--adopt %s is the chart's own --webhook-configuration", o.configuration)
	}
	if u, err := url.Parse(o.pushGateway); o.pushGateway != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		wrong("--push-gateway is no http or https URL")
	}
	_, err := o.names()
	return errors.Join(append(problems, err)...)
}

func (o *options) names() (pki.Names, error) {
	names, err := pki.NewNames(o.namespace, o.clusterDomain, o.services, o.dnsNames, o.addresses)
	if err != nil {
		return names, fmt.Errorf("names of the certificate: %w", err)
	}
	return names, nil
}

// made are the names of the Secrets that certgen may have made, also before the source of the certificate was another.
func (o *options) made() []string {
	serving := o.servingSecret
	if plan.Source(o.source) != plan.SourceCertgen {
		serving = defaultServingSecret
	}
	return []string{o.keySecret, serving, o.caSecret}
}

// plan gives the options of the plan; they were validated.
func (o *options) plan(scope plan.Scope) (plan.Options, error) {
	names, err := o.names()
	if err != nil {
		return plan.Options{}, err
	}
	p := plan.Options{
		Scope: scope, Namespace: o.namespace, Source: plan.Source(o.source),
		CASecret: o.caSecret, ServingSecret: o.servingSecret, KeySecret: o.keySecret,
		Leaf: pki.Leaf{Names: names, Validity: o.leafValidity}, CAValidity: o.caValidity, Bearer: o.auth == authBearer,
		PropagationWait: o.propagationWait, KeyWait: o.keyWait, ContractAfter: o.contractAfter, RotateRequest: o.rotateRequest,
	}
	for _, s := range o.services {
		p.Services = append(p.Services, webhook.Service{Namespace: o.namespace, Name: s})
	}
	return p, nil
}

func (o *options) cluster() cluster.Options {
	return cluster.Options{
		Namespace: o.namespace, CASecret: o.caSecret, ServingSecret: o.servingSecret, KeySecret: o.keySecret,
		ReadCA: plan.Source(o.source) == plan.SourceCertgen, Managed: o.configuration, Adopted: o.adopt,
		FrontService: o.frontService, PortName: portName,
	}
}
