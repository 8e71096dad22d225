package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// typePrefix and typeVersion are around the kind in the type of a webhook's JSON.
const (
	typePrefix  = "runecast."
	typeVersion = ".v1"
)

// Event is the JSON of a webhook, in the form that Standard Webhooks asks for.
type Event struct {
	Type      string    `json:"type"` // runecast.deny.v1, …: a change that breaks readers gets another version
	Timestamp time.Time `json:"timestamp"`
	Data      Content   `json:"data"`
}

// webhook sends events signed as Standard Webhooks has it
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
type webhook struct {
	poster

	destination Destination
}

// Send implements Sink.
func (w *webhook) Send(ctx context.Context, n *Notification, at time.Time) (string, error) {
	address, secrets := w.destination.URL, []string{}
	if w.destination.URLFile != "" {
		secret, err := readSecret(w.destination.URLFile)
		if err != nil {
			return "", fault(err)
		}
		address, secrets = secret, append(secrets, secret)
	}
	to, err := parseURL(address, w.destination.PlainHTTP)
	if err != nil {
		return "", fault(err)
	}
	if w.destination.URLFile != "" {
		secrets = append(secrets, to.RequestURI())
	}
	secret, err := readSecret(w.destination.SecretFile)
	if err != nil {
		return "", fault(err)
	}
	body, err := json.Marshal(Event{Type: typePrefix + string(n.Kind) + typeVersion, Timestamp: n.Content.Last, Data: n.Content})
	if err != nil {
		return "", &SendError{Text: "the notification cannot be written as JSON", Permanent: true}
	}
	signature, err := sign(secret, n.ID, at, body)
	if err != nil {
		return "", fault(fmt.Errorf("%s: %w", w.destination.SecretFile, err))
	}
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, n.ID)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return w.post(ctx, to, body, header, append(secrets, secret, strings.TrimPrefix(secret, secretPrefix)))
}

const secretPrefix = "whsec_"

// sign gives the webhook-signature. A secret is whsec_ and the base64 of 24 to 64 bytes; several, one a line, each sign, so that a
// receiver can change from one to the next.
func sign(secrets, id string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for secret := range strings.FieldsSeq(secrets) {
		encoded, prefixed := strings.CutPrefix(secret, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || !prefixed || len(key) < 24 || len(key) > 64 {
			return "", errors.New("the secret is not whsec_ and the base64 of 24 to 64 bytes: printf 'whsec_%s' \"$(openssl rand -base64 32)\" makes one")
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return "", errors.New("the secret cannot be used")
		}
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return "", errors.New("the notification cannot be signed")
		}
		signatures = append(signatures, signature)
	}
	return strings.Join(signatures, " "), nil
}
