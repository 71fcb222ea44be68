use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use peer::{H3, Outcome, Settings};
use quiche::h3::NameValue;
use quiche::{Config, Connection, ConnectionId, Header, RecvInfo, Type, h3};

use crate::{ID_LENGTH, LARGEST_DATAGRAM};

const LONGEST_WAIT: Duration = Duration::from_millis(100);
const TOKEN: &[u8] = b"quiche";

/// What is still to be sent on a stream.
struct Answer {
    status: Option<&'static [u8]>,
    body: Vec<u8>,
    sent: usize,
}

struct Peer {
    connection: Connection,
    web: Option<h3::Connection>,
    requests: HashMap<u64, Vec<u8>>,
    answers: HashMap<u64, Answer>,
}

struct Server {
    settings: Settings,
    socket: UdpSocket,
    config: Config,
    peers: Vec<Peer>,
    /// The place of a connection by each of its IDs.
    routes: HashMap<Vec<u8>, usize>,
    out: Vec<u8>,
}

pub fn serve(settings: Settings) -> Outcome<()> {
    let mut config = crate::config(quiche::PROTOCOL_VERSION, crate::BOTH)?;
    config.enable_early_data();
    let name = |file: &str| settings.certs.join(file).to_string_lossy().into_owned();
    config.load_cert_chain_from_pem_file(&name("cert.pem"))?;
    config.load_priv_key_from_pem_file(&name("priv.key"))?;
    let socket = UdpSocket::bind(settings.listen)?;
    println!("listening on {}", socket.local_addr()?);
    let ending = peer::ending()?;
    let out = vec![0; LARGEST_DATAGRAM];
    let mut server = Server { settings, socket, config, peers: Vec::new(), routes: HashMap::new(), out };
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    while !ending.load(Ordering::SeqCst) {
        server.receive(&mut buffer)?;
        server.progress()?;
    }
    for peer in &mut server.peers {
        let _ = peer.connection.close(true, 0, b"");
    }
    server.progress()
}

impl Server {
    /// Waits for a datagram or the next timer, and takes whatever else has arrived.
    fn receive(&mut self, buffer: &mut [u8]) -> Outcome<()> {
        let next = self.peers.iter().filter_map(|peer| peer.connection.timeout()).min();
        let wait = next.unwrap_or(LONGEST_WAIT).clamp(Duration::from_micros(1), LONGEST_WAIT);
        self.socket.set_read_timeout(Some(wait))?;
        self.socket.set_nonblocking(false)?;
        loop {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => self.take(&mut buffer[..length], from)?,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => break,
                Err(error) => return Err(error.into()),
            }
            self.socket.set_nonblocking(true)?;
        }
        self.socket.set_nonblocking(false)?;
        for peer in &mut self.peers {
            if peer.connection.timeout().is_some_and(|left| left.is_zero()) {
                peer.connection.on_timeout();
            }
        }
        Ok(())
    }

    fn take(&mut self, datagram: &mut [u8], from: SocketAddr) -> Outcome<()> {
        let Some(header) = crate::header(datagram) else { return Ok(()) };
        let known = self.routes.get(header.dcid.as_ref()).copied();
        let Some(at) = known.map_or_else(|| self.accept(&header, from), |at| Ok(Some(at)))? else { return Ok(()) };
        let to = self.socket.local_addr()?;
        if let Err(error) = self.peers[at].connection.recv(datagram, RecvInfo { from, to }) {
            eprintln!("{from}: {error}");
        }
        Ok(())
    }

    /// Returns the place of a new connection, or None if the packet is answered otherwise.
    fn accept(&mut self, header: &Header, from: SocketAddr) -> Outcome<Option<usize>> {
        if header.ty != Type::Short && !quiche::version_is_supported(header.version) {
            let length = quiche::negotiate_version(&header.scid, &header.dcid, &mut self.out)?;
            self.socket.send_to(&self.out[..length], from)?;
            return Ok(None);
        }
        if header.ty != Type::Initial {
            return Ok(None);
        }
        let token = header.token.as_deref().unwrap_or_default();
        if self.settings.is("retry") && token.is_empty() {
            let id = ConnectionId::from_vec(peer::random::<ID_LENGTH>().to_vec());
            let fresh = [TOKEN, header.dcid.as_ref()].concat();
            let length = quiche::retry(&header.scid, &header.dcid, &id, &fresh, header.version, &mut self.out)?;
            self.socket.send_to(&self.out[..length], from)?;
            return Ok(None);
        }
        let original = token.strip_prefix(TOKEN).map(|id| ConnectionId::from_vec(id.to_vec()));
        let id = match original {
            Some(_) => header.dcid.clone().into_owned(),
            None => ConnectionId::from_vec(peer::random::<ID_LENGTH>().to_vec()),
        };
        let to = self.socket.local_addr()?;
        let make = |config: &mut Config| quiche::accept(&id, original.as_ref(), to, from, config);
        let connection = crate::record(&self.settings, &mut self.config, make)?;
        let at = self.peers.len();
        self.peers.push(Peer { connection, web: None, requests: HashMap::new(), answers: HashMap::new() });
        self.routes.insert(header.dcid.to_vec(), at);
        self.routes.insert(id.to_vec(), at);
        Ok(Some(at))
    }

    fn progress(&mut self) -> Outcome<()> {
        for (at, peer) in self.peers.iter_mut().enumerate() {
            if peer.connection.is_closed() {
                continue;
            }
            if let Err(error) = peer.advance(&self.settings) {
                eprintln!("{}: {error}", peer.connection.trace_id());
                let _ = peer.connection.close(true, 1, b"");
            }
            let routes = &mut self.routes;
            crate::flush(&mut peer.connection, &self.socket, &mut self.out, |id| {
                routes.insert(id.to_vec(), at);
            })?;
        }
        Ok(())
    }
}

impl Peer {
    /// Reads requests and sends as much of the answers as may be sent.
    fn advance(&mut self, settings: &Settings) -> Outcome<()> {
        if !(self.connection.is_established() || self.connection.is_in_early_data()) {
            return Ok(());
        }
        if self.connection.application_proto() == H3.as_bytes() {
            return self.over_h3(settings);
        }
        let mut buffer = [0; peer::LONGEST_REQUEST];
        for stream in self.connection.readable() {
            while let Ok((length, end)) = self.connection.stream_recv(stream, &mut buffer) {
                let line = self.requests.entry(stream).or_default();
                line.extend_from_slice(&buffer[..length]);
                if end {
                    let line = self.requests.remove(&stream).unwrap_or_default();
                    match settings.answer(&line) {
                        Some(body) => drop(self.answers.insert(stream, Answer { status: None, body, sent: 0 })),
                        None => self.connection.stream_shutdown(stream, quiche::Shutdown::Write, 1)?,
                    }
                    break;
                }
            }
        }
        let connection = &mut self.connection;
        self.answers.retain(|&stream, answer| {
            answer.sent += connection.stream_send(stream, &answer.body[answer.sent..], true).unwrap_or(0);
            answer.sent < answer.body.len()
        });
        Ok(())
    }

    fn over_h3(&mut self, settings: &Settings) -> Outcome<()> {
        let connection = &mut self.connection;
        if self.web.is_none() {
            self.web = Some(h3::Connection::with_transport(connection, &h3::Config::new()?)?);
        }
        let Some(web) = &mut self.web else { return Ok(()) };
        loop {
            match web.poll(connection) {
                Ok((stream, h3::Event::Headers { list, .. })) => {
                    let path = list.iter().find(|header| header.name() == b":path").map(|header| header.value());
                    let body = path.and_then(|path| settings.file(std::str::from_utf8(path).ok()?));
                    let status: &'static [u8] = if body.is_some() { b"200" } else { b"404" };
                    self.answers.insert(stream, Answer { status: Some(status), body: body.unwrap_or_default(), sent: 0 });
                }
                Ok(_) => (),
                Err(h3::Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.answers.retain(|&stream, answer| {
            if let Some(status) = answer.status {
                if web.send_response(connection, stream, &[h3::Header::new(b":status", status)], false).is_err() {
                    return true;
                }
                answer.status = None;
            }
            match web.send_body(connection, stream, &answer.body[answer.sent..], true) {
                Ok(sent) => answer.sent += sent,
                Err(_) => return true,
            }
            answer.sent < answer.body.len()
        });
        Ok(())
    }
}
