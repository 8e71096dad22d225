package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// slackText is how many characters a section of Slack's blocks takes at most
// (https://docs.slack.dev/reference/block-kit/blocks/section-block), less some for what replaces < > and &.
const slackText = 2900

type slack struct {
	poster

	urlFile string
	words   wording
}

type slackBlock struct {
	Type string   `json:"type"`
	Text slackTxt `json:"text"`
}

type slackTxt struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Send implements Sink.
func (s *slack) Send(ctx context.Context, n *Notification, _ time.Time) (string, error) {
	address, err := readSecret(s.urlFile)
	if err != nil {
		return "", fault(err)
	}
	to, err := parseURL(address, false)
	if err != nil {
		return "", fault(err)
	}
	body, err := json.Marshal(s.message(n))
	if err != nil {
		return "", &SendError{Text: "the notification cannot be written as JSON", Permanent: true}
	}
	return s.post(ctx, to, body, http.Header{}, []string{address, to.RequestURI(), to.Path})
}

// message is a title, the details as text that nothing in them can mark up, and a link of ours.
func (s *slack) message(n *Notification) any {
	title := s.words.title(n)
	blocks := []slackBlock{{"header", slackTxt{"plain_text", title}}}
	if details := strings.Join(s.words.lines(n), "\n"); details != "" {
		blocks = append(blocks, slackBlock{"section", slackTxt{"plain_text", clip(details)}})
	}
	if page := s.words.page(n); page != "" {
		blocks = append(blocks, slackBlock{"section", slackTxt{"mrkdwn", "<" + escapeSlack(page) + "|Details>"}})
	}
	return map[string]any{"text": escapeSlack(title), "blocks": blocks} // the text is for notifications of phones
}

func clip(text string) string {
	if runes := []rune(text); len(runes) > slackText {
		return string(runes[:slackText-1]) + "…"
	}
	return text
}

// escapeSlack takes the meaning of what Slack reads as links and mentions
// (https://docs.slack.dev/messaging/formatting-message-text, escaping text).
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
