package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

const longestRequest = 8192

// Answer serves one hq-interop stream: a line "GET /name", answered by the file's bytes and nothing else.
func (s *Settings) Answer(stream io.ReadWriter) error {
	line, err := bufio.NewReader(io.LimitReader(stream, longestRequest)).ReadString('\n')
	if err != nil && !(errors.Is(err, io.EOF) && line != "") {
		return err
	}
	name, found := strings.CutPrefix(strings.TrimSpace(line), "GET ")
	if !found {
		return fmt.Errorf("not a request: %q", line)
	}
	file, err := os.Open(filepath.Join(s.Root, filepath.FromSlash(path.Clean("/"+name))))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(stream, file)
	return err
}

// Ask sends an hq-interop request on a fresh stream and ends its sending side.
func Ask(stream io.WriteCloser, address *url.URL) error {
	if _, err := fmt.Fprintf(stream, "GET %s\r\n", address.Path); err != nil {
		return err
	}
	return stream.Close()
}

// Store writes a response to the downloads. An empty one is kept too: whether it is right is judged elsewhere.
func (s *Settings) Store(address *url.URL, body io.Reader) error {
	file, err := os.Create(filepath.Join(s.Downloads, path.Base(address.Path)))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, body); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// All calls get for every address at once and returns the first error.
func All(addresses []*url.URL, get func(*url.URL) error) error {
	results := make(chan error, len(addresses))
	var group sync.WaitGroup
	for _, each := range addresses {
		group.Go(func() { results <- get(each) })
	}
	group.Wait()
	close(results)
	var first error
	for err := range results {
		if first == nil {
			first = err
		}
	}
	return first
}
