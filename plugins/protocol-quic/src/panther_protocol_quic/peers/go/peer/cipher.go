package peer

import (
	"crypto/tls"
	_ "unsafe" // for go:linkname
)

// crypto/tls has no option for the cipher suites of TLS 1.3; it keeps these names reachable for QUIC's tests.

//go:linkname defaultCipherSuitesTLS13 crypto/tls.defaultCipherSuitesTLS13
var defaultCipherSuitesTLS13 []uint16

//go:linkname defaultCipherSuitesTLS13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var defaultCipherSuitesTLS13NoAES []uint16

// OfferOnlyChaCha20 makes this process, as a client, offer a single cipher suite.
func OfferOnlyChaCha20() {
	defaultCipherSuitesTLS13 = []uint16{tls.TLS_CHACHA20_POLY1305_SHA256}
	defaultCipherSuitesTLS13NoAES = defaultCipherSuitesTLS13
}
