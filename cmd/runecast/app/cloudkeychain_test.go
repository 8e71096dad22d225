package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// A cloud is faked where it gives credentials; its registry is a real one that lets in who has just these. Both are reached by their own names
// through a proxy of the environment, which is read once in a process: so the server runs in a process of its own.
const (
	cloudKey      = "cloud-secret-of-the-server" // what the server shows to the cloud
	cloudPassword = "cloud-password-for-the-registry"
	cloudToken    = "cloud-token-of-the-registry"
)

// cloud is one of them.
type cloud struct {
	keychain string
	registry string // host
	api      string // host that gives credentials
	user     string // with which cloudPassword is good for the registry; empty: see exchange
	env      func(t *testing.T, dir string) []string
	answer   func(w http.ResponseWriter, req *http.Request) // gives credentials to who shows cloudKey
	exchange func(w http.ResponseWriter, req *http.Request) // the registry's own places for tokens
}

func amazon() cloud {
	return cloud{
		keychain: "ecr", registry: "123456789012.dkr.ecr.eu-central-1.amazonaws.com", api: "api.ecr.eu-central-1.amazonaws.com", user: "AWS",
		env: func(*testing.T, string) []string {
			return []string{"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=" + cloudKey, "AWS_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true"}
		},
		// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
		answer: func(w http.ResponseWriter, req *http.Request) {
			if !strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".GetAuthorizationToken") || !strings.Contains(req.Header.Get("Authorization"), "AKIATEST/") {
				http.Error(w, "{}", http.StatusBadRequest)
				return
			}
			token := base64.StdEncoding.EncodeToString([]byte("AWS:" + cloudPassword))
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d,"proxyEndpoint":"https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"}]}`, token, time.Now().Add(time.Hour).Unix())
		},
	}
}

func googles() cloud {
	return cloud{
		keychain: "gcr", registry: "europe-docker.pkg.dev", api: "oauth2.googleapis.com", user: "_token",
		env: func(t *testing.T, dir string) []string {
			t.Helper()
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			noError(t, err)
			der, err := x509.MarshalPKCS8PrivateKey(key)
			noError(t, err)
			account, err := json.Marshal(map[string]string{
				"type": "service_account", "client_email": "robot@project.iam.gserviceaccount.com", "private_key_id": cloudKey, "token_uri": "https://oauth2.googleapis.com/token",
				"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
			})
			noError(t, err)
			return []string{"GOOGLE_APPLICATION_CREDENTIALS=" + write(t, filepath.Join(dir, "account.json"), account)}
		},
		// https://developers.google.com/identity/protocols/oauth2/service-account#httprest
		answer: func(w http.ResponseWriter, req *http.Request) {
			head, _, _ := strings.Cut(req.FormValue("assertion"), ".")
			if decoded, err := base64.RawURLEncoding.DecodeString(head); err != nil || !bytes.Contains(decoded, []byte(cloudKey)) {
				http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600,"token_type":"Bearer"}`, cloudPassword)
		},
	}
}

func microsofts() cloud {
	return cloud{
		keychain: "acr", registry: "shop.azurecr.io", api: "login.microsoftonline.com",
		env: func(*testing.T, string) []string {
			return []string{"AZURE_CLIENT_ID=robot", "AZURE_CLIENT_SECRET=" + cloudKey, "AZURE_TENANT_ID=tenant"}
		},
		// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
		answer: func(w http.ResponseWriter, req *http.Request) {
			if req.FormValue("client_secret") != cloudKey {
				http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"entra-%s","expires_in":"3600","expires_on":"%d","not_before":"0","resource":"r","token_type":"Bearer"}`, cloudToken, time.Now().Add(time.Hour).Unix())
		},
		// https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
		exchange: func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case req.URL.Path == "/oauth2/exchange" && req.FormValue("access_token") == "entra-"+cloudToken:
				fmt.Fprintf(w, `{"refresh_token":%q}`, cloudPassword)
			case req.URL.Path == "/oauth2/token" && req.FormValue("refresh_token") == cloudPassword:
				fmt.Fprintf(w, `{"access_token":%q}`, cloudToken)
			default:
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
			}
		},
	}
}

// serve answers for the cloud and its registry; fault is what becomes of the cloud, nil: it works.
func (c *cloud) serve(registry http.Handler, fault http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		host := strings.TrimSuffix(req.Host, ":443")
		user, password, _ := req.BasicAuth()
		switch {
		case host == c.api && fault != nil:
			fault(w, req)
		case host == c.api:
			c.answer(w, req)
		case host != c.registry:
			http.Error(w, "nobody is here", http.StatusBadGateway)
		case c.exchange != nil && strings.HasPrefix(req.URL.Path, "/oauth2/"):
			c.exchange(w, req)
		case c.user != "" && user == c.user && password == cloudPassword, c.exchange != nil && req.Header.Get("Authorization") == "Bearer "+cloudToken:
			registry.ServeHTTP(w, req)
		default:
			challenge := `Basic realm="cloud"`
			if c.exchange != nil {
				challenge = fmt.Sprintf(`Bearer realm="https://%s/oauth2/token",service=%q`, c.registry, c.registry)
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		}
	}
}

// TestCloudKeychains judges images of clouds' registries with the credentials that the clouds give to the server, and denies them by name of the
// fault where a cloud refuses or says nothing.
func TestCloudKeychains(t *testing.T) {
	if os.Getenv("CLOUD_TEST_REGISTRY") != "" {
		serveForCloud(t)
		return
	}
	t.Parallel()
	silent := func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // a server sees that its client is gone once it has read all
		<-req.Context().Done()
	}
	forbids := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"`+cloudKey+` may not","error":"access_denied"}`, http.StatusForbidden)
	}
	for _, c := range []cloud{amazon(), googles(), microsofts()} {
		for name, fault := range map[string]http.HandlerFunc{"works": nil, "forbids": forbids, "is silent": silent} {
			t.Run(c.keychain+" "+name, func(t *testing.T) {
				t.Parallel()
				got := c.review(t, fault)
				for _, secret := range []string{cloudKey, cloudPassword, cloudToken} {
					if strings.Contains(got, secret) {
						t.Errorf("%s is shown:\n%s", secret, got)
					}
				}
				wanted := []string{"FIXED true", "VULNERABLE false", "CVE-2021-3711"}
				if fault != nil {
					wanted = []string{"FIXED false", "VULNERABLE false", "the image could not be judged", "unauthorized", "the keychain " + c.keychain + " gives no credentials"}
				}
				for _, text := range wanted {
					if !strings.Contains(got, text) {
						t.Errorf("there is no %q in:\n%s", text, got)
					}
				}
			})
		}
	}
}

// review runs a server in a process of its own and gives what it answers and logs.
func (c *cloud) review(t *testing.T, fault http.HandlerFunc) string {
	t.Helper()
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	registry.MustPush(t.Context(), "shop/nginx:1", imagetest.Nginx119())
	registry.MustPush(t.Context(), "shop/nginx:2", imagetest.Nginx119Fixed())
	dir := t.TempDir()
	certificate, authority := certificateFor(t, c.api, c.registry)
	server := httptest.NewUnstartedServer(c.serve(registry, fault))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		connect(w, req, server.Listener.Addr().String())
	}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCloudKeychains$", "-test.v")
	cmd.Env = append(c.env(t, dir), "HTTPS_PROXY="+proxy.URL, "SSL_CERT_FILE="+write(t, filepath.Join(dir, "ca.pem"), authority), "HOME="+dir, "TMPDIR="+t.TempDir(), "PATH=/nonexistent",
		"CLOUD_TEST_REGISTRY="+c.registry, "CLOUD_TEST_KEYCHAIN="+c.keychain)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// serveForCloud is the server's process.
func serveForCloud(t *testing.T) {
	t.Helper()
	h := &home{t: t, dir: t.TempDir()}
	h.feed()
	s := h.serve("--registry-keychains", os.Getenv("CLOUD_TEST_KEYCHAIN"))
	for name, tag := range map[string]string{"VULNERABLE": "1", "FIXED": "2"} {
		_, answer := s.do(http.MethodPost, "/rc2/api/v2/k8s-admission-policy-review/policy/2?timeout=20s", podReview(os.Getenv("CLOUD_TEST_REGISTRY")+"/shop/nginx:"+tag))
		var review struct {
			Response struct {
				Allowed bool `json:"allowed"`
			} `json:"response"`
		}
		decode(t, answer, &review)
		fmt.Println(name, review.Response.Allowed, answer)
	}
	s.stop()
	fmt.Println(s.log.String())
}

// connect joins a client of CONNECT to an address.
func connect(w http.ResponseWriter, req *http.Request, address string) {
	to, err := new(net.Dialer).DialContext(req.Context(), "tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{}, 2)
	pass := func(out io.Writer, in io.Reader) { _, _ = io.Copy(out, in); done <- struct{}{} }
	go pass(to, bufio.NewReader(buffered))
	go pass(from, to)
	<-done
}

// certificateFor makes a certificate that is its own authority.
func certificateFor(t *testing.T, hosts ...string) (certificate tls.Certificate, authority []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloud"}, DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	noError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
