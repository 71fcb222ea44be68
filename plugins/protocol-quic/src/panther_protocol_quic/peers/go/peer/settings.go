// Package peer is what the programs in Go have in common: they take their orders as the QUIC interop runner
// gives them, in environment variables, and end with 0 (done), 1 (failed) or 127 (cannot do that).
package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The application protocols, as ALPN names them.
const (
	H3 = "h3"
	HQ = "hq-interop"
)

// ErrUnsupported is returned for a test case that a program cannot do.
var ErrUnsupported = errors.New("unsupported test case")

// Settings is what a program is asked to do, and where.
type Settings struct {
	Role      string
	TestCase  string
	Requests  []*url.URL
	ALPN      string
	Listen    string
	Root      string
	Downloads string
	Certs     string
	QlogDir   string
	keys      io.Writer
}

// Load reads the environment, and URLs from the command line if there are any. What the interop runner fixes (/www, port 443) are the defaults here.
func Load() (*Settings, error) {
	s := &Settings{
		Role:      os.Getenv("ROLE"),
		TestCase:  os.Getenv("TESTCASE"),
		ALPN:      os.Getenv("ALPN"),
		Listen:    net.JoinHostPort(variable("IP", "::"), variable("PORT", "443")),
		Root:      variable("WWW", "/www"),
		Downloads: variable("DOWNLOADS", "/downloads"),
		Certs:     variable("CERTS", "/certs"),
		QlogDir:   os.Getenv("QLOGDIR"),
	}
	if s.ALPN == "" {
		s.ALPN = HQ
		if s.TestCase == "http3" {
			s.ALPN = H3
		}
	}
	wanted := os.Args[1:]
	if len(wanted) == 0 {
		wanted = strings.Fields(os.Getenv("REQUESTS"))
	}
	for _, text := range wanted {
		parsed, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		s.Requests = append(s.Requests, parsed)
	}
	if s.QlogDir != "" {
		if err := os.MkdirAll(s.QlogDir, 0o755); err != nil {
			return nil, err
		}
	}
	if name := os.Getenv("SSLKEYLOGFILE"); name != "" {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		s.keys = file
	}
	if s.Role == "client" && len(s.Requests) == 0 {
		return nil, errors.New("REQUESTS is empty")
	}
	return s, nil
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// Main runs the program in its role and ends the process. Supported are test cases by role.
func Main(supported map[string][]string, run map[string]func(*Settings) error) {
	settings, err := Load()
	if err == nil {
		if !slices.Contains(supported[settings.Role], settings.TestCase) {
			err = fmt.Errorf("%w: %q as %q", ErrUnsupported, settings.TestCase, settings.Role)
		} else {
			err = run[settings.Role](settings)
		}
	}
	switch {
	case errors.Is(err, ErrUnsupported):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(127)
	case err != nil:
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

// ServerTLS returns the configuration of a server with the run's certificate.
func (s *Settings) ServerTLS(protocols ...string) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.Certs, "cert.pem"), filepath.Join(s.Certs, "priv.key"))
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   protocols,
		KeyLogWriter: s.keys,
		MinVersion:   tls.VersionTLS13,
	}, err
}

// ClientTLS returns the configuration of a client that trusts the run's authority and remembers sessions.
func (s *Settings) ClientTLS() (*tls.Config, <-chan struct{}, error) {
	text, err := os.ReadFile(filepath.Join(s.Certs, "ca.pem"))
	if err != nil {
		return nil, nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("no certificate in %s/ca.pem", s.Certs)
	}
	tickets := make(chan struct{}, 1)
	return &tls.Config{
		RootCAs:            authorities,
		ServerName:         s.Requests[0].Hostname(),
		NextProtos:         []string{s.ALPN},
		KeyLogWriter:       s.keys,
		MinVersion:         tls.VersionTLS13,
		ClientSessionCache: &sessions{tls.NewLRUClientSessionCache(8), tickets},
	}, tickets, nil
}

// sessions tells when the server has sent a ticket, without which there is nothing to resume.
type sessions struct {
	tls.ClientSessionCache
	put chan<- struct{}
}

func (s *sessions) Put(key string, state *tls.ClientSessionState) {
	s.ClientSessionCache.Put(key, state)
	if state == nil {
		return
	}
	select {
	case s.put <- struct{}{}:
	default:
	}
}
