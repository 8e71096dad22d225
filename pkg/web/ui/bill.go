package ui

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/export"
)

// bill gives the packages of an image of a scan as a CycloneDX file.
func (s *server) bill(w http.ResponseWriter, r *http.Request, _ *auth.User) error {
	d, err := s.decision(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	n, err := position(d, r.PathValue("image"))
	if err != nil {
		return err
	}
	image := &d.Images[n]
	contents, err := s.Store.Inventory(r.Context(), image.Digest)
	if err != nil {
		return fmt.Errorf("read the packages: %w", err)
	}
	if contents == nil {
		return problem{http.StatusNotFound, "The packages of the image are not kept any more: scan it again."}
	}
	var b bytes.Buffer
	if err := export.Write(&b, export.CycloneDX, &export.Document{
		Image:     export.Image{Reference: image.Reference, Digest: image.Digest, Platform: contents.Platform},
		Inventory: contents.Inventory, Version: s.Version, Time: contents.ReadAt,
	}); err != nil {
		return fmt.Errorf("write the packages: %w", err)
	}
	w.Header().Set("Content-Type", export.CycloneDX.MediaType())
	w.Header().Set("Content-Disposition", `attachment; filename="`+url.PathEscape(image.Digest)+`.cdx.json"`)
	if _, err := b.WriteTo(w); err != nil {
		s.Log.WithError(err).Debug("a file could not be written")
	}
	return nil
}
