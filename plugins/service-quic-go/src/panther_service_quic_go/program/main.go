// quic-go as a server and a client of files, driven like an endpoint of the QUIC interop runner.
package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/quic-go/quic-go"
	_ "github.com/quic-go/quic-go/qlog" // registers the schema of the events
	"github.com/quic-go/quic-go/qlogwriter"
	"panther.invalid/peer"
)

var both = []string{
	"handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt", "keyupdate", "chacha20",
	"versionnegotiation", "connectionmigration",
}

func main() {
	peer.Main(
		map[string][]string{"server": both, "client": both},
		map[string]func(*peer.Settings) error{"server": serve, "client": fetch},
	)
}

// qlogs writes one qlog file per connection; wait returns when all are complete.
type qlogs struct {
	folder string
	open   sync.WaitGroup
}

func (q *qlogs) trace(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
	if q.folder == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(q.folder, id.String()+".sqlog"))
	if err != nil {
		return nil
	}
	buffered := &bufferedFile{bufio.NewWriter(file), file}
	sequence := qlogwriter.NewConnectionFileSeq(buffered, isClient, id)
	q.open.Go(sequence.Run)
	return sequence
}

type bufferedFile struct {
	*bufio.Writer
	file *os.File
}

func (b *bufferedFile) Close() error {
	if err := b.Flush(); err != nil {
		return err
	}
	return b.file.Close()
}
