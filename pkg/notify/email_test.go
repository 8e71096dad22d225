package notify_test

import (
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/runecast/runecast/pkg/notify"
)

const (
	smtpUser     = "runecast"
	smtpPassword = "thisIsASecret"
)

// post is a mail server.
type post struct {
	address string
	caFile  string

	mu    sync.Mutex
	mails []string
	users []string // who logged in
	to    []string
}

// newPost starts a mail server: with TLS from the first byte or by STARTTLS, or without any.
func newPost(t *testing.T, policy string, refuse error) *post {
	t.Helper()
	certificate := newReceiver(t, nil) // for its certificate, of 127.0.0.1
	p := &post{caFile: certificate.caFile(t)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{post: p, refuse: refuse}, nil }))
	server.Domain, server.ErrorLog = "mail.example", quiet{}
	config := &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12}
	if policy == notify.TLSStartTLS {
		server.TLSConfig = config
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = listener.Addr().String()
	if policy == notify.TLSImplicit {
		listener = tls.NewListener(listener, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // its error says that it was closed
	}()
	t.Cleanup(func() {
		_ = listener.Close() // the server may not know of it yet
		_ = server.Close()
		<-done
	})
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type session struct {
	post   *post
	refuse error
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != smtpUser || password != smtpPassword {
			return smtp.ErrAuthFailed
		}
		s.post.mu.Lock()
		defer s.post.mu.Unlock()
		s.post.users = append(s.post.users, user)
		return nil
	}), nil
}

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return s.refuse }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.to = append(s.post.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	whole, err := io.ReadAll(r)
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.mails = append(s.post.mails, string(whole))
	return err
}

func (p *post) destination(t *testing.T, policy string) notify.Destination {
	t.Helper()
	d := notify.Destination{Name: "team", Type: notify.TypeEmail, CAFile: p.caFile, SMTP: notify.SMTP{
		Address: p.address, TLS: policy, From: "Runecast <runecast@example.com>", To: []string{"team@example.com", "lead@example.com"},
	}}
	if policy != notify.TLSNone {
		d.SMTP.Username, d.SMTP.PasswordFile = smtpUser, file(t, smtpPassword)
	}
	return d
}

// TestEmail sends by each policy, with a login where there is TLS, and reads what arrived.
func TestEmail(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{notify.TLSStartTLS, notify.TLSImplicit, notify.TLSNone} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, policy, nil)
			n := notification(t, decision("d-1"))
			if said, err := sinkOf(t, p.destination(t, policy)).Send(t.Context(), n, at()); err != nil || said == "" {
				t.Fatalf("%q %v", said, err)
			}
			if (policy == notify.TLSNone) != (len(p.users) == 0) || strings.Join(p.to, " ") != "team@example.com lead@example.com" {
				t.Errorf("logged in %v, to %v", p.users, p.to)
			}
			m, err := mail.ReadMessage(strings.NewReader(p.mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"Subject": "[Runecast] Denied: Deployment shop/web by policy 2", "From": `"Runecast" <runecast@example.com>`, "To": "<team@example.com>, <lead@example.com>",
				"Message-Id": "<" + n.ID + "@runecast>", "Date": "Wed, 04 Mar 2026 05:06:07 +0000", "Auto-Submitted": "auto-generated", "User-Agent": "runecast/test",
			} {
				if got := m.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil {
				t.Fatal(err)
			}
			const want = "Denied: Deployment shop/web by policy 2\n\nPolicy 2: No critical or high severity vulnerabilities with available fix (enforce)\nAsked for by ann\n" +
				"At 2026-03-04 05:06:07 UTC\nnginx:1.19\n  the registry is not allowed\n  CVE-2021-3711 critical: libssl1.1 1.1.1d-0+deb10u6, fixed in 1.1.1d-0+deb10u7\n" +
				"  … and 5 more violations\n\nDetails: https://runecast.example/scans/d-1\n"
			if got := strings.ReplaceAll(string(body), "\r\n", "\n"); got != want {
				t.Errorf("body\n got %q\nwant %q", got, want)
			}
		})
	}
}

// TestEmailInjection puts line breaks where an attacker can: names of objects, users and images. No header, no address and no end of the
// mail may come of it.
func TestEmailInjection(t *testing.T) {
	t.Parallel()
	p := newPost(t, notify.TLSNone, nil)
	const evil = "x\r\nBcc: victim@example.com\r\n\r\n<b>body</b>\r\n.\r\nMAIL FROM:<evil@example.com>\r\n"
	d := decision("d-1")
	d.Name, d.Namespace, d.Kind, d.User, d.Policy, d.PolicyID = evil, evil, evil, evil, evil, evil
	d.Images[0].Reference, d.Images[0].Violations[0].Finding.Package.Name, d.Images[0].Violations[1].Detail, d.Images[0].Cause = evil, evil, evil, evil
	n := notification(t, d)
	n.Content.Scan.URL = "" // a valid id is a UUID
	if _, err := sinkOf(t, p.destination(t, notify.TLSNone)).Send(t.Context(), n, at()); err != nil {
		t.Fatal(err)
	}
	if len(p.mails) != 1 || len(p.to) != 2 {
		t.Fatalf("%d mails to %v", len(p.mails), p.to)
	}
	m, err := mail.ReadMessage(strings.NewReader(p.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	allowed := "Auto-Submitted Content-Transfer-Encoding Content-Type Date From Message-Id Mime-Version Subject To User-Agent X-Mailer"
	for name, values := range m.Header {
		if !strings.Contains(" "+allowed+" ", " "+name+" ") || len(values) != 1 {
			t.Errorf("header %s: %q", name, values)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || strings.ContainsAny(subject, "\r\n") || !strings.HasPrefix(subject, "[Runecast] Denied: x  Bcc: victim@example.com") {
		t.Errorf("%q %v", subject, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || strings.Contains(string(body), "\nBcc:") || strings.Contains(string(body), "\n.") || strings.Contains(string(body), "\nMAIL") {
		t.Errorf("%q %v", body, err)
	}
}

// TestEmailFaults wants no mail and no password in the clear, and to know what to try again.
func TestEmailFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server    string
		refuse    error
		change    func(*notify.Destination)
		fault     string
		permanent bool
	}{
		"no STARTTLS":        {notify.TLSNone, nil, func(d *notify.Destination) { d.SMTP.TLS = notify.TLSStartTLS }, "does not support STARTTLS", false},
		"no TLS":             {notify.TLSNone, nil, func(d *notify.Destination) { d.SMTP.TLS = notify.TLSImplicit }, "tls", false},
		"an unknown CA":      {notify.TLSStartTLS, nil, func(d *notify.Destination) { d.CAFile = "" }, "certificate", false},
		"the wrong password": {notify.TLSStartTLS, nil, func(d *notify.Destination) { d.SMTP.PasswordFile = "/dev/null" }, "is empty", false},
		"refused for now":    {notify.TLSStartTLS, &smtp.SMTPError{Code: 451, Message: "greylisted " + smtpPassword}, nil, "greylisted", false},
		"refused for good":   {notify.TLSStartTLS, &smtp.SMTPError{Code: 550, Message: "no such sender"}, nil, "no such sender", true},
		"nobody there":       {notify.TLSStartTLS, nil, func(d *notify.Destination) { d.SMTP.Address = "127.0.0.1:1" }, "refused", false},
		"a private address":  {notify.TLSStartTLS, nil, func(d *notify.Destination) { d.SMTP.Address = "10.0.0.1:25" }, "is at a private address; if it may be asked, name it in the setting notificationAllowNetworks", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, c.server, c.refuse)
			d := p.destination(t, c.server)
			if c.change != nil {
				c.change(&d)
			}
			_, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at())
			var failure *notify.SendError
			if !errors.As(err, &failure) || !strings.Contains(failure.Text, c.fault) || failure.Permanent != c.permanent {
				t.Errorf("%+v, want %s, permanent %v", err, c.fault, c.permanent)
			}
			if err != nil && strings.Contains(err.Error(), smtpPassword) {
				t.Errorf("the error shows the password: %v", err)
			}
			if len(p.mails) != 0 {
				t.Errorf("%q", p.mails)
			}
		})
	}
	p := newPost(t, notify.TLSStartTLS, nil)
	d := p.destination(t, notify.TLSStartTLS)
	d.SMTP.PasswordFile = file(t, "anotherSecret")
	_, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at())
	var failure *notify.SendError
	if !errors.As(err, &failure) || failure.Permanent || !strings.Contains(failure.Text, "535") || strings.Contains(failure.Text, "Secret") {
		t.Errorf("%+v", err)
	}
}
