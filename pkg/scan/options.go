package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

// Images resolves references and opens layers, as *image.Puller does.
type Images interface {
	ResolveAs(ctx context.Context, reference, platform string, access image.Access) (*image.Image, error)
	OpenLayer(ctx context.Context, img *image.Image, layer image.Layer) (io.ReadCloser, error)
}

// Feeds gives the feed index that is in use. Every index that it gives stays open until release is called. It gives an
// error, or a nil index, where there is none.
type Feeds interface {
	Current() (ix *advisory.Index, release func(), err error)
}

// Options are the parts and limits of an Engine. Images and Feeds must be given; zero values of all others mean the defaults.
type Options struct {
	Images      Images
	Feeds       Feeds
	Reports     ReportStore    // default: reports are kept in memory alone
	Inventories InventoryStore // default: none are kept
	Layers      LayerStore     // default: none are kept
	Tables      Tables         // default: all layers are read whole
	TrustTables image.TOCTrust // whose layers Tables reads; default: nobody's

	Timeout         time.Duration     // of one scan, once it runs; default 10 min
	MaxScans        int               // images that are read at a time; default 4
	MaxQueued       int               // images that wait for that; default 1024
	LayersPerScan   int               // layers of an image that are read at a time; default 3
	MaxCached       int               // reports in memory; default 4096
	MaxCachedWeight int               // findings of all reports in memory together; default 500,000, about 500 MB at worst
	MaxKept         int               // bytes of memory that what is kept of all layers of one image may take; default 256 MiB
	LayerLimits     inventory.Options // of reading one layer

	Metrics  Metrics            // default: none
	Progress func(Progress)     // told how far the reading of each image is; must be quick; default: none
	Log      logrus.FieldLogger // default: nothing is logged
	Now      func() time.Time   // default time.Now
}

// fill fills in the zero values and checks the rest, all errors at once.
func (o *Options) fill() error {
	var errs []error
	if o.Images == nil {
		errs = append(errs, errors.New("there is no Images"))
	}
	if o.Feeds == nil {
		errs = append(errs, errors.New("there is no Feeds"))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("%s is %s, less than zero", "Timeout", o.Timeout))
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	number := func(name string, value *int, byDefault int) {
		if *value < 0 {
			errs = append(errs, fmt.Errorf("%s is %d, less than zero", name, *value))
		}
		if *value == 0 {
			*value = byDefault
		}
	}
	number("MaxScans", &o.MaxScans, 4)
	number("MaxQueued", &o.MaxQueued, 1024)
	number("LayersPerScan", &o.LayersPerScan, 3)
	number("MaxCached", &o.MaxCached, 4096)
	number("MaxCachedWeight", &o.MaxCachedWeight, 500_000)
	number("MaxKept", &o.MaxKept, 256<<20)
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scan options: %w", err)
	}
	return nil
}
