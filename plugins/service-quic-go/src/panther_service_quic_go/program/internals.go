package main

import (
	_ "unsafe" // for go:linkname

	"github.com/quic-go/quic-go"
)

// The versions that quic-go knows; its own interop client changes them, but they are not exported.

//go:linkname supportedVersions github.com/quic-go/quic-go/internal/protocol.SupportedVersions
var supportedVersions []quic.Version
