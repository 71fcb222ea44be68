package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"panther.invalid/peer"
)

func serve(s *peer.Settings) error {
	stopped, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	config, err := s.ServerTLS(peer.HQ, peer.H3)
	if err != nil {
		return err
	}
	address, err := net.ResolveUDPAddr("udp", s.Listen)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return err
	}
	logs := &qlogs{folder: s.QlogDir}
	transport := &quic.Transport{
		Conn:                socket,
		VerifySourceAddress: func(net.Addr) bool { return s.TestCase == "retry" },
	}
	listener, err := transport.ListenEarly(config, &quic.Config{Allow0RTT: true, Tracer: logs.trace})
	if err != nil {
		return err
	}
	fmt.Println("listening on", socket.LocalAddr())
	web := &http3.Server{Handler: http.FileServer(http.Dir(s.Root))}
	var open sync.WaitGroup
	for {
		connection, err := listener.Accept(stopped)
		if err != nil {
			break
		}
		open.Go(func() { talk(stopped, s, web, connection) })
	}
	open.Wait()
	if err := transport.Close(); err != nil {
		return err
	}
	logs.open.Wait()
	return nil
}

func talk(stopped context.Context, s *peer.Settings, web *http3.Server, connection *quic.Conn) {
	end := context.AfterFunc(stopped, func() { _ = connection.CloseWithError(0, "") })
	defer end()
	if connection.ConnectionState().TLS.NegotiatedProtocol == peer.H3 {
		_ = web.ServeQUICConn(connection)
		return
	}
	for {
		stream, err := connection.AcceptStream(stopped)
		if err != nil {
			return
		}
		go func() {
			if err := s.Answer(stream); err != nil {
				fmt.Fprintln(os.Stderr, err)
				stream.CancelWrite(1)
				return
			}
			_ = stream.Close()
		}()
	}
}
