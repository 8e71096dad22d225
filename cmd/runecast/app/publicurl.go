package app

import (
	"fmt"
	"net/url"
	"strings"
)

// maxPublicURL is the most bytes of publicUrl: with the path of a scan it has to fit into a warning of 256.
const maxPublicURL = 160

// checkPublicURL tells what is wrong with publicUrl. It becomes a part of texts that go to terminals, chats and mail.
func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	strange := strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'<>`|\\", r) })
	if err != nil || strange || len(text) > maxPublicURL || u.Scheme != "https" || u.Hostname() == "" || text != "https://"+u.Host {
		return fmt.Errorf("publicUrl: %q is not of the form https://host[:port], of at most %d characters", text, maxPublicURL)
	}
	return nil
}
