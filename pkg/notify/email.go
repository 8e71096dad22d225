package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

type email struct {
	network Network
	caFiles []string
	agent   string
	smtp    SMTP
	words   wording
}

// Send implements Sink.
func (e *email) Send(ctx context.Context, n *Notification, at time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	message, err := e.message(n, at)
	if err != nil {
		return "", fault(err)
	}
	password := ""
	if e.smtp.PasswordFile != "" {
		if password, err = readSecret(e.smtp.PasswordFile); err != nil {
			return "", fault(err)
		}
	}
	client, err := e.client(password)
	if err != nil {
		return "", fault(err, password)
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		failure := fault(err, password)
		// 5xx is for good (RFC 5321, section 4.2.1), but not for a login, which an operator mends.
		if refusal, ok := errors.AsType[*mail.SendError](err); ok {
			failure.Permanent = !refusal.IsTemp() && refusal.ErrorCode() >= 500
		} else if reply, ok := errors.AsType[*textproto.Error](err); ok {
			failure.Text = veil(fmt.Sprintf("%d %s", reply.Code, reply.Msg), password)
		}
		return "", failure
	}
	return "the mail server took it", nil
}

func (e *email) client(password string) (*mail.Client, error) {
	host, portText, err := net.SplitHostPort(e.smtp.Address)
	if err != nil {
		return nil, fmt.Errorf("smtp.address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("smtp.address: the port is no number: %w", err)
	}
	trust, err := e.network.TLSConfig(e.caFiles)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	trust.ServerName = host
	options := []mail.Option{mail.WithPort(port), mail.WithTimeout(sendTimeout), mail.WithTLSConfig(trust), mail.WithoutNoop()}
	switch e.smtp.tls() {
	case TLSImplicit:
		options = append(options, mail.WithSSL(), mail.WithDialContextFunc(e.dialTLS(trust)))
	case TLSNone:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(e.network.DialContext))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithDialContextFunc(e.network.DialContext))
	}
	if e.smtp.Username != "" {
		auth := mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5)
		options = append(options, auth, mail.WithUsername(e.smtp.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the mail client: %w", err)
	}
	return client, nil
}

// dialTLS connects with TLS from the first byte.
func (e *email) dialTLS(trust *tls.Config) mail.DialContextFunc {
	return func(ctx context.Context, network, hostPort string) (net.Conn, error) {
		plain, err := e.network.DialContext(ctx, network, hostPort)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says all
		}
		conn := tls.Client(plain, trust)
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return conn, nil
	}
}

// message writes the mail. Nothing that comes from elsewhere is in a header as it is: one line of printable characters, encoded.
func (e *email) message(n *Notification, at time.Time) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.smtp.From), m.To(e.smtp.To...)); err != nil {
		return nil, fmt.Errorf("address the mail: %w", err)
	}
	m.Subject("[Runecast] " + e.words.title(n))
	m.SetMessageIDWithValue(n.ID + "@runecast") // the same each time, by which mail programs know a second one
	m.SetDateWithValue(at)
	m.SetUserAgent(e.agent)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's absence is to be answered with (RFC 3834)
	text := e.words.lines(n)
	if page := e.words.page(n); page != "" {
		text = append(text, "", "Details: "+page)
	}
	m.SetBodyString(mail.TypeTextPlain, strings.Join(append([]string{e.words.title(n), ""}, text...), "\n")+"\n")
	return m, nil
}
