package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

const maxCAFile = 1 << 20 // bytes

// clusterFlags say which API server a command talks to.
type clusterFlags struct{ context string }

func (f *clusterFlags) add(flags *pflag.FlagSet) {
	flags.String("kubeconfig", "", "`file` of the access to the API server (default $KUBECONFIG, else ~/.kube/config, else that of the pod)")
	flags.StringVar(&f.context, "context", "", "`name` of the kubeconfig's context (default its current one)")
}

// connect finds the API server as kubectl does.
func (c *command) connect(f *clusterFlags) (*cluster.Client, error) {
	client, err := cluster.Connect(cluster.Access{Kubeconfig: c.config.Kubeconfig, Context: f.context, UserAgent: "runecast/" + buildVersion().Version})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	return client, nil
}

// specFlags are those of the commands that make a configuration.
type specFlags struct {
	clusterFlags

	spec                       webhook.Spec
	policies, labels, webhooks []string
	service                    string
	caFile, keyFile            string
	caFromCluster              bool
	keyFromCluster             bool
}

func (f *specFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.policies, "policy", nil, "`id` of a policy; repeated, one webhook for each")
	flags.StringArrayVar(&f.labels, "namespace-label", nil, "`key=value[,key=value]` that a namespace must have: one for each policy in their order, or one with {policy} in its value (default "+webhook.PolicyLabel+"={policy})")
	flags.BoolVar(&f.spec.AllNamespaces, "all-namespaces", false, "guard every namespace but the excluded ones, whatever its labels")
	flags.StringSliceVar(&f.spec.Exclude, "exclude-namespace", nil, "`names` of namespaces that are never guarded, beside kube-system and the release's")
	flags.StringVar(&f.spec.ReleaseNamespace, "release-namespace", "", "`namespace` of the server, which is never guarded (default that of --service, else "+webhook.DefaultNamespace+"; \"\" for none)")
	flags.StringVar(&f.spec.URL, "url", "", "`https://host[:port]` that the API server calls, without the path of reviews")
	flags.StringVar(&f.service, "service", "", "`namespace/name[:port]` of the Service that the API server calls, such as "+webhook.DefaultNamespace+"/runecast-nginx:9080 (default port 9080)")
	flags.StringVar(&f.caFile, "ca-file", "", "PEM `file` of the CA that signs the server's certificate")
	flags.BoolVar(&f.caFromCluster, "ca-from-cluster", false, "take the CA from the Secret that the nginx pods of the release's namespace use")
	flags.BoolVar(&f.spec.CAElsewhere, "no-ca", false, "write no caBundle for a Service: certgen puts it in (certgen.adopt), or cert-manager's cainjector by an annotation of yours")
	flags.StringVar(&f.keyFile, "review-key-file", "", "`file` with the key for the review's path (default none: the API server sends a token)")
	flags.BoolVar(&f.keyFromCluster, "review-key-from-cluster", false, "take the key from the Secret runecast-review-key of the release's namespace")
	flags.StringVar(&f.spec.Name, "name", webhook.DefaultName, "`name` of the configuration")
	flags.StringSliceVar(&f.webhooks, "webhook-name", nil, "`names` of the webhooks, which denials show: one for each policy in their order (default by the policy)")
	flags.StringVar(&f.spec.FailurePolicy, "failure-policy", "Fail", "Fail refuses workloads while the server cannot be reached, Ignore lets them in unjudged")
	flags.IntVar(&f.spec.TimeoutSeconds, "timeout-seconds", webhook.DefaultTimeout, "how long the API server waits for a verdict, 1 to 30")
	f.clusterFlags.add(flags)
	cmd.MarkFlagsMutuallyExclusive("url", "service")
	cmd.MarkFlagsMutuallyExclusive("ca-file", "ca-from-cluster", "no-ca")
	cmd.MarkFlagsMutuallyExclusive("review-key-file", "review-key-from-cluster")
	cmd.MarkFlagsMutuallyExclusive("namespace-label", "all-namespaces")
	cmd.MarkFlagsOneRequired("url", "service")
	if err := cmd.MarkFlagRequired("policy"); err != nil {
		panic(err) // the flag was added above
	}
}

// read makes the spec of the flags, with what files and the cluster hold.
func (f *specFlags) read(cmd *cobra.Command, c *command) (webhook.Spec, error) {
	spec := f.spec
	if spec.TimeoutSeconds == 0 {
		return spec, errors.New("a timeout of 0 s: API servers take 1 to 30")
	}
	var err error
	if f.service != "" {
		if spec.Service, spec.Port, err = webhook.ParseService(f.service); err != nil {
			return spec, err //nolint:wrapcheck // it names the flag's value
		}
	}
	if spec.ReleaseNamespace == "" && spec.Service.Namespace == "" && !cmd.Flags().Changed("release-namespace") {
		spec.ReleaseNamespace = webhook.DefaultNamespace
	}
	if spec.Guards, err = guards(f.policies, f.labels, f.webhooks); err != nil {
		return spec, err
	}
	if f.caFile != "" {
		if spec.CABundle, err = readLimited(f.caFile, maxCAFile); err != nil {
			return spec, fmt.Errorf("read the CA: %w", err)
		}
		if len(spec.CABundle) == 0 {
			return spec, fmt.Errorf("read the CA: %s is empty", f.caFile)
		}
	}
	if f.keyFile != "" {
		if spec.Key, err = readSecret(f.keyFile); err == nil && spec.Key == "" {
			err = errors.New("the file of the review key is empty")
		}
	}
	if err == nil {
		err = f.fromCluster(cmd.Context(), c, &spec)
	}
	return spec, err
}

// fromCluster reads what is asked for of the installation in the cluster.
func (f *specFlags) fromCluster(ctx context.Context, c *command, spec *webhook.Spec) error {
	if !f.caFromCluster && !f.keyFromCluster {
		return nil
	}
	namespace := spec.ReleaseNamespace
	if namespace == "" {
		namespace = spec.Service.Namespace
	}
	if namespace == "" {
		return errors.New("what is to be read from the cluster is in the release's namespace: name it with --release-namespace")
	}
	client, err := c.connect(&f.clusterFlags)
	if err != nil {
		return err
	}
	if f.caFromCluster {
		if spec.CABundle, err = client.Bundle(ctx, namespace); err != nil {
			return fmt.Errorf("--ca-from-cluster: %w", err)
		}
	}
	if f.keyFromCluster {
		if spec.Key, err = client.ReviewKey(ctx, namespace); err != nil {
			return fmt.Errorf("--review-key-from-cluster: %w", err)
		}
	}
	return nil
}

// guards pairs policies with the labels and names that are given for them.
func guards(policies, labels, names []string) ([]webhook.Guard, error) {
	list := make([]webhook.Guard, len(policies))
	if len(names) > 0 && len(names) != len(policies) {
		return nil, fmt.Errorf("%d policies and %d names: give one --webhook-name for each --policy, in their order", len(policies), len(names))
	}
	shared := len(labels) == 1 && strings.Contains(labels[0], "{policy}")
	if len(labels) > 0 && len(labels) != len(policies) && !shared {
		return nil, fmt.Errorf("%d policies and %d namespace labels: give one --namespace-label for each --policy, in their order (the same one twice where two policies judge the same namespaces), "+
			"or a single one with {policy} in its value", len(policies), len(labels))
	}
	for i, policy := range policies {
		list[i].Policy = policy
		if len(names) > 0 {
			list[i].Webhook = names[i]
		}
		if len(labels) == 0 {
			continue
		}
		text := labels[0]
		if !shared {
			text = labels[i]
		}
		var err error
		if list[i].Labels, err = webhook.ParseLabels(text, policy); err != nil {
			return nil, err //nolint:wrapcheck // it names the label
		}
	}
	return list, nil
}

// readLimited reads a file of at most so many bytes.
func readLimited(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return content, err
}

// warn tells a person what may surprise.
func (c *command) warn(texts []string) {
	for _, text := range texts {
		_, _ = fmt.Fprintf(c.streams.Err, "warning: %s\n", printable(text)) // where stderr is gone there is nothing left to tell
	}
}
