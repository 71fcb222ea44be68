// QUIC of the Go team (golang.org/x/net/quic) as a server and a client of files, driven like an endpoint of the
// QUIC interop runner. It has neither HTTP/3 nor resumption, 0-RTT or migration.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/net/quic"
	"golang.org/x/net/quic/qlog"
	"panther.invalid/peer"
)

const patience = 2 * time.Second

func main() {
	both := []string{"handshake", "transfer", "multiconnect", "retry", "keyupdate", "chacha20"}
	peer.Main(
		map[string][]string{"server": append(both, "versionnegotiation"), "client": both},
		map[string]func(*peer.Settings) error{"server": serve, "client": fetch},
	)
}

func configuration(s *peer.Settings, config *tls.Config) *quic.Config {
	made := &quic.Config{TLSConfig: config, RequireAddressValidation: s.TestCase == "retry" && s.Role == "server"}
	if s.QlogDir != "" {
		made.QLogLogger = slog.New(qlog.NewJSONHandler(qlog.HandlerOptions{Level: quic.QLogLevelFrame, Dir: s.QlogDir}))
	}
	return made
}

func closed(endpoint *quic.Endpoint) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return endpoint.Close(ctx)
}

func serve(s *peer.Settings) error {
	stopped, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	config, err := s.ServerTLS(peer.HQ)
	if err != nil {
		return err
	}
	endpoint, err := quic.Listen("udp", s.Listen, configuration(s, config))
	if err != nil {
		return err
	}
	fmt.Println("listening on", endpoint.LocalAddr())
	for {
		connection, err := endpoint.Accept(stopped)
		if err != nil {
			_ = closed(endpoint)
			return nil
		}
		go talk(stopped, s, connection)
	}
}

func talk(stopped context.Context, s *peer.Settings, connection *quic.Conn) {
	for {
		stream, err := connection.AcceptStream(stopped)
		if err != nil {
			return
		}
		go func() {
			if err := s.Answer(stream); err != nil {
				fmt.Fprintln(os.Stderr, err)
				_ = stream.Reset(1)
			}
			_ = stream.Close()
		}()
	}
}

func fetch(s *peer.Settings) error {
	config, _, err := s.ClientTLS()
	if err != nil {
		return err
	}
	if s.TestCase == "chacha20" {
		peer.OfferOnlyChaCha20()
	}
	endpoint, err := quic.Listen("udp", ":0", nil)
	if err != nil {
		return err
	}
	defer func() { _ = closed(endpoint) }()
	groups := [][]*url.URL{s.Requests}
	if s.TestCase == "multiconnect" {
		groups = nil
		for _, each := range s.Requests {
			groups = append(groups, []*url.URL{each})
		}
	}
	for _, each := range groups {
		if err := session(s, endpoint, configuration(s, config), each); err != nil {
			return err
		}
	}
	return nil
}

// closing lets a stream be finished for sending while its answer is still read.
type closing struct{ *quic.Stream }

func (c closing) Close() error { return c.CloseWrite() }

func session(s *peer.Settings, endpoint *quic.Endpoint, config *quic.Config, addresses []*url.URL) error {
	ctx := context.Background()
	connection, err := endpoint.Dial(ctx, "udp", addresses[0].Host, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	return peer.All(addresses, func(address *url.URL) error {
		stream, err := connection.NewStream(ctx)
		if err != nil {
			return err
		}
		if err := peer.Ask(closing{stream}, address); err != nil {
			return err
		}
		return s.Store(address, stream)
	})
}
