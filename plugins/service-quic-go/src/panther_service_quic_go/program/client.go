package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"panther.invalid/peer"
)

const patience = 10 * time.Second

// sessionKind is what is special about one connection of several.
type sessionKind int

const (
	ordinary sessionKind = iota
	awaitingTicket
	inFirstFlight
)

type client struct {
	*peer.Settings
	tls     *tls.Config
	tickets <-chan struct{}
	logs    *qlogs
}

func fetch(s *peer.Settings) error {
	config, tickets, err := s.ClientTLS()
	if err != nil {
		return err
	}
	c := &client{s, config, tickets, &qlogs{folder: s.QlogDir}}
	defer c.logs.open.Wait()
	switch s.TestCase {
	case "chacha20":
		peer.OfferOnlyChaCha20()
	case "multiconnect":
		for _, each := range s.Requests {
			if err := c.session([]*url.URL{each}, ordinary); err != nil {
				return err
			}
		}
		return nil
	case "resumption", "zerortt":
		return c.twice(s.TestCase == "zerortt")
	case "versionnegotiation":
		if err := c.refused(); err != nil {
			return err
		}
	}
	return c.session(s.Requests, ordinary)
}

// twice downloads the first file, waits for a ticket, and takes the others over a resumed connection.
func (c *client) twice(early bool) error {
	if err := c.session(c.Requests[:1], awaitingTicket); err != nil {
		return err
	}
	if early {
		return c.session(c.Requests[1:], inFirstFlight)
	}
	return c.session(c.Requests[1:], ordinary)
}

// refused offers a version that nobody has and checks that the server says which it has.
func (c *client) refused() error {
	unknown := quic.Version(0x1a2a3a4a)
	known := supportedVersions
	supportedVersions = []quic.Version{unknown}
	connection, err := c.dial(false, &quic.Config{Versions: []quic.Version{unknown}, Tracer: c.logs.trace})
	supportedVersions = known
	var negotiation *quic.VersionNegotiationError
	if errors.As(err, &negotiation) && slices.Contains(negotiation.Theirs, quic.Version1) {
		return nil
	}
	if err == nil {
		_ = connection.CloseWithError(0, "")
	}
	return fmt.Errorf("an unknown version was not answered by version negotiation: %w", err)
}

func (c *client) dial(early bool, config *quic.Config) (*quic.Conn, error) {
	address, err := net.ResolveUDPAddr("udp", c.Requests[0].Host)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport()
	if err != nil {
		return nil, err
	}
	if early {
		return transport.DialEarly(context.Background(), address, c.tls, config)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return transport.Dial(ctx, address, c.tls, config)
}

// newTransport opens a socket of its own. Connection IDs are not empty, because a connection could not move then.
func newTransport() (*quic.Transport, error) {
	socket, err := net.ListenUDP("udp", nil)
	return &quic.Transport{Conn: socket, ConnectionIDLength: 8}, err
}

// session downloads files over one connection.
func (c *client) session(addresses []*url.URL, kind sessionKind) error {
	early := kind == inFirstFlight
	connection, err := c.dial(early, &quic.Config{Tracer: c.logs.trace})
	if err != nil {
		return err
	}
	defer func() { _ = connection.CloseWithError(0, "") }()
	var moved chan error
	if c.TestCase == "connectionmigration" {
		moved = make(chan error, 1)
		go func() { moved <- c.migrate(connection) }()
	}
	if c.ALPN == peer.H3 {
		err = peer.All(addresses, c.overH3(new(http3.Transport).NewClientConn(connection), early))
	} else {
		err = c.overHQ(connection, addresses)
	}
	if moved != nil {
		err = errors.Join(err, <-moved)
	}
	if err == nil && kind == awaitingTicket {
		err = c.awaitTicket()
	}
	return err
}

func (c *client) awaitTicket() error {
	select {
	case <-c.tickets:
		return nil
	case <-time.After(patience):
		return errors.New("the server sent no session ticket")
	}
}

// overHQ sends one request after the other without a pause, so that they fit into the first flight of 0-RTT.
func (c *client) overHQ(connection *quic.Conn, addresses []*url.URL) error {
	results := make(chan error, len(addresses))
	for _, address := range addresses {
		stream, err := connection.OpenStreamSync(connection.Context())
		if err == nil {
			err = peer.Ask(stream, address)
		}
		if err != nil {
			results <- err
			continue
		}
		go func() { results <- c.Store(address, stream) }()
	}
	var all error
	for range addresses {
		all = cmp.Or(all, <-results)
	}
	return all
}

func (c *client) overH3(web *http3.ClientConn, early bool) func(*url.URL) error {
	method := http.MethodGet
	if early {
		method = http3.MethodGet0RTT
	}
	return func(address *url.URL) error {
		response, err := web.RoundTrip(&http.Request{Method: method, URL: address, Host: address.Host, Header: http.Header{}})
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", address, response.Status)
		}
		return c.Store(address, response.Body)
	}
}

// migrate moves the connection to another local port as soon as the server has confirmed the new path.
func (c *client) migrate(connection *quic.Conn) error {
	transport, err := newTransport()
	if err != nil {
		return err
	}
	path, err := connection.AddPath(transport)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(connection.Context(), patience)
	defer cancel()
	if err := path.Probe(ctx); err != nil {
		return fmt.Errorf("the new path was not validated: %w", err)
	}
	return path.Switch()
}
