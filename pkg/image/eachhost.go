package image

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// eachHost asks the hosts for a registry in their order until one gives what is asked for. The last has all attempts, the
// others one each: they are there to be quick.
func (p *Puller) eachHost(ctx context.Context, t target, req *request, try func(t target, attempts int) error) error {
	hosts, err := p.hostsFor(t, req)
	if err != nil {
		return err
	}
	for i, h := range hosts {
		at, attempts := t, 1
		at.asked = h
		if at.via, err = h.endpoint(t); err != nil {
			return t.fault(KindInternal, "mirror %s cannot be named: %w", h.mirror.url.Host, err)
		}
		if i == len(hosts)-1 {
			attempts = p.opts.Attempts
		}
		if err = try(at, attempts); err == nil || ctx.Err() != nil {
			return err
		}
		if i < len(hosts)-1 {
			p.opts.Log.WithError(fmt.Errorf("host %s: %w", at.host(), err)).Debug("asking the next host")
		}
	}
	return err
}

// wrongFor is how long a host is not asked again for what it gave wrong, as long as there is another.
const wrongFor = 10 * time.Minute

// hostsFor gives the hosts that may be asked, in their order, without those to be avoided and those that gave the same wrong, unless
// there are no others.
func (p *Puller) hostsFor(t target, req *request) ([]*endpointHost, error) {
	able, err := p.ableHosts(t, req)
	if err != nil {
		return nil, err
	}
	if good := p.goodHosts(able, req); len(good) > 0 {
		return good, nil
	}
	return able, nil
}

func (p *Puller) goodHosts(able []*endpointHost, req *request) []*endpointHost {
	return slices.DeleteFunc(slices.Clone(able), func(h *endpointHost) bool {
		until, wrong := p.wrong.get(wrongKey(h, req.digest))
		return slices.Contains(req.avoid, h) || wrong && p.opts.Now().Before(until)
	})
}

// others tells whether there is a host left to ask for what has not come as it should.
func (p *Puller) others(t target, req *request) bool {
	able, err := p.ableHosts(t, req)
	return err == nil && len(p.goodHosts(able, req)) > 0
}

// gaveWrong notes that a host gave other content than a digest's.
func (p *Puller) gaveWrong(h *endpointHost, digest string) {
	p.wrong.put(wrongKey(h, digest), p.opts.Now().Add(wrongFor), 1)
}

func wrongKey(h *endpointHost, digest string) string { return fmt.Sprintf("%s by %p", digest, h) }

// ableHosts gives the hosts that may be asked: any for what a digest vouches for, those that may resolve for a tag.
func (p *Puller) ableHosts(t target, req *request) ([]*endpointHost, error) {
	if p.hosts == nil {
		return []*endpointHost{p.itself}, nil
	}
	hosts, err := p.hosts.of(p, t)
	if err != nil {
		e := t.fault(KindUnreachable, "its registry's configuration cannot be used: %w", err)
		e.lasting = true
		return nil, e
	}
	if len(hosts) == 0 {
		return []*endpointHost{p.itself}, nil
	}
	var able []*endpointHost
	for _, h := range hosts {
		if h.mirror == nil || req.digest != "" && h.mirror.pull || req.digest == "" && h.mirror.resolve {
			able = append(able, h)
		}
	}
	if len(able) == 0 {
		e := t.fault(KindUnreachable, "no host in its registry's configuration may be asked for %s", req.what)
		e.lasting = true
		return nil, e
	}
	return able, nil
}

// endpoint is a repository at a host; nil: at the registry itself.
func (h *endpointHost) endpoint(t target) (*endpoint, error) {
	if h.mirror == nil {
		return nil, nil //nolint:nilnil // there is nothing else to say
	}
	var opts []name.Option
	if h.mirror.url.Scheme == "http" {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(h.mirror.url.Host+"/"+t.repo.RepositoryStr(), opts...)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller does
	}
	return &endpoint{h, repo}, nil
}
