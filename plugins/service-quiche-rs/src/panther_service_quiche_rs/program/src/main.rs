//! quiche as a server and a client of files, driven like an endpoint of the QUIC interop runner.
//!
//! quiche can neither begin a key update nor be told a single TLS 1.3 cipher suite: as a client it does not claim them.
//! Nor does it claim to move: this client has one socket.

mod client;
mod server;

use std::net::UdpSocket;

use peer::{H3, HQ, Outcome, Settings};
use quiche::{Config, Connection, Header};

pub const LARGEST_DATAGRAM: usize = 65_527;
pub const ID_LENGTH: usize = 16;
/// Connection IDs that an end keeps for the other to move to another path.
const SPARE_IDS: u64 = 4;
const PAYLOAD: usize = 1350;
const WINDOW: u64 = 10_000_000;
const STREAM_WINDOW: u64 = 1_000_000;
const STREAMS: u64 = 100;
const IDLE_MILLISECONDS: u64 = 30_000;

const SERVER: &[&str] = &[
    "handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt", "keyupdate", "chacha20",
    "versionnegotiation", "connectionmigration",
];
const CLIENT: &[&str] = &[
    "handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt", "versionnegotiation",
];

fn main() {
    peer::main(SERVER, CLIENT, server::serve, client::fetch)
}

fn config(version: u32, alpn: &[&str]) -> Outcome<Config> {
    let mut config = Config::new(version)?;
    config.set_application_protos(&alpn.iter().map(|name| name.as_bytes()).collect::<Vec<_>>())?;
    config.set_max_idle_timeout(IDLE_MILLISECONDS);
    config.set_max_recv_udp_payload_size(LARGEST_DATAGRAM);
    config.set_max_send_udp_payload_size(PAYLOAD);
    config.set_initial_max_data(WINDOW);
    config.set_initial_max_stream_data_bidi_local(STREAM_WINDOW);
    config.set_initial_max_stream_data_bidi_remote(STREAM_WINDOW);
    config.set_initial_max_stream_data_uni(STREAM_WINDOW);
    config.set_initial_max_streams_bidi(STREAMS);
    config.set_initial_max_streams_uni(STREAMS);
    config.set_active_connection_id_limit(SPARE_IDS);
    Ok(config)
}

/// Gives a connection its qlog and the key log.
fn record(settings: &Settings, config: &mut Config, make: impl FnOnce(&mut Config) -> quiche::Result<Connection>) -> Outcome<Connection> {
    if settings.keys.is_some() {
        config.log_keys();
    }
    let mut connection = make(config)?;
    if let Some(path) = &settings.keys {
        connection.set_keylog(Box::new(peer::appending(path)?));
    }
    if let Some(file) = settings.qlog_file(connection.trace_id()) {
        connection.set_qlog(Box::new(file), "quiche".into(), String::new());
    }
    Ok(connection)
}

/// Sends what a connection has to send, and offers the other end IDs to move with.
fn flush(connection: &mut Connection, socket: &UdpSocket, out: &mut [u8], mut issued: impl FnMut([u8; ID_LENGTH])) -> Outcome<()> {
    while connection.is_established() && connection.scids_left() > 0 {
        let id = peer::random::<ID_LENGTH>();
        connection.new_scid(&quiche::ConnectionId::from_ref(&id), u128::from_be_bytes(peer::random()), false)?;
        issued(id);
    }
    loop {
        match connection.send(out) {
            Ok((length, info)) => {
                // An error here is a lost packet, which QUIC repairs: nobody listens there, or the queue is full.
                let _ = socket.send_to(&out[..length], info.to);
            }
            Err(quiche::Error::Done) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn header<'a>(datagram: &'a mut [u8]) -> Option<Header<'a>> {
    Header::from_slice(datagram, ID_LENGTH).ok()
}

pub const BOTH: &[&str] = &[HQ, H3];
