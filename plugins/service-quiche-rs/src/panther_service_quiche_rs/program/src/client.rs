use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use peer::{H3, Outcome, PATIENCE, Request, Settings, UNKNOWN_VERSION};
use quiche::h3::NameValue;
use quiche::{Config, Connection, ConnectionId, RecvInfo, h3};

use crate::{ID_LENGTH, LARGEST_DATAGRAM};

const LONGEST_WAIT: Duration = Duration::from_millis(100);
const IN_VAIN: [ErrorKind; 4] =
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted, ErrorKind::ConnectionRefused];

struct Session<'a> {
    settings: &'a Settings,
    requests: &'a [Request],
    connection: Connection,
    socket: UdpSocket,
    web: Option<h3::Connection>,
    /// How many requests are on their way.
    asked: usize,
    done: usize,
    bodies: HashMap<u64, (usize, Vec<u8>)>,
}

pub fn fetch(settings: Settings) -> Outcome<()> {
    let unknown = settings.is("versionnegotiation");
    let mut config = crate::config(if unknown { UNKNOWN_VERSION } else { quiche::PROTOCOL_VERSION }, &[&settings.alpn])?;
    config.load_verify_locations_from_file(&settings.certs.join("ca.pem").to_string_lossy())?;
    config.verify_peer(true);
    if settings.is("zerortt") {
        config.enable_early_data();
    }
    let mut ticket = None;
    for (number, requests) in settings.sessions().into_iter().enumerate() {
        let resumes = (settings.is("resumption") || settings.is("zerortt")) && number == 1;
        let keeps = (settings.is("resumption") || settings.is("zerortt")) && number == 0;
        let mut session = Session::open(&settings, &mut config, requests)?;
        if resumes {
            session.connection.set_session(ticket.as_deref().ok_or("the server sent no session ticket")?)?;
        }
        session.run(resumes && settings.is("zerortt"))?;
        if keeps {
            ticket = Some(session.ticket()?);
        }
        session.close()?;
    }
    Ok(())
}

impl<'a> Session<'a> {
    fn open(settings: &'a Settings, config: &mut Config, requests: &'a [Request]) -> Outcome<Self> {
        let remote = requests[0].address()?;
        let socket = connected(remote)?;
        let local = socket.local_addr()?;
        // quiche compares names only: for an address, the chain of certificates alone is verified.
        let name = Some(requests[0].host()).filter(|host| host.parse::<IpAddr>().is_err());
        let id = peer::random::<ID_LENGTH>();
        let id = ConnectionId::from_ref(&id);
        let connection = crate::record(settings, config, |config| quiche::connect(name, &id, local, remote, config))?;
        let (web, bodies) = (None, HashMap::new());
        Ok(Self { settings, requests, connection, socket, web, asked: 0, done: 0, bodies })
    }

    /// Downloads all files; early, before the handshake is over.
    fn run(&mut self, early: bool) -> Outcome<()> {
        self.send()?;
        while self.done < self.requests.len() {
            if self.connection.is_established() || (early && self.connection.is_in_early_data()) {
                self.ask()?;
                self.read()?;
            }
            self.send()?;
            self.receive()?;
        }
        Ok(())
    }

    fn ticket(&mut self) -> Outcome<Vec<u8>> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(ticket) = self.connection.session() {
                return Ok(ticket.to_vec());
            }
            if Instant::now() > end {
                return Err("the server sent no session ticket".into());
            }
            self.send()?;
            self.receive()?;
        }
    }

    fn close(&mut self) -> Outcome<()> {
        self.connection.close(true, 0, b"")?;
        self.send()
    }

    fn send(&mut self) -> Outcome<()> {
        let mut out = [0; LARGEST_DATAGRAM];
        crate::flush(&mut self.connection, &self.socket, &mut out, |_| ())
    }

    /// Waits for a datagram or the next timer.
    fn receive(&mut self) -> Outcome<()> {
        let wait = self.connection.timeout().unwrap_or(LONGEST_WAIT).clamp(Duration::from_micros(1), LONGEST_WAIT);
        let mut buffer = [0; LARGEST_DATAGRAM];
        self.socket.set_read_timeout(Some(wait))?;
        match self.socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let to = self.socket.local_addr()?;
                // A datagram that cannot be read is dropped, as the protocol demands.
                let _ = self.connection.recv(&mut buffer[..length], RecvInfo { from, to });
            }
            Err(error) if IN_VAIN.contains(&error.kind()) => (),
            Err(error) => return Err(error.into()),
        }
        if self.connection.timeout().is_some_and(|left| left.is_zero()) {
            self.connection.on_timeout();
        }
        if self.connection.is_closed() || self.connection.is_draining() {
            let told = self.connection.peer_error().or(self.connection.local_error());
            let told = told.map(|error| format!("error {:#x} {}", error.error_code, String::from_utf8_lossy(&error.reason)));
            return Err(format!("the connection ended: {}", told.unwrap_or_else(|| "time was up".into())).into());
        }
        Ok(())
    }

    /// Sends as many requests as the server allows streams.
    fn ask(&mut self) -> Outcome<()> {
        if self.settings.alpn == H3 && self.web.is_none() {
            self.web = Some(h3::Connection::with_transport(&mut self.connection, &h3::Config::new()?)?);
        }
        while self.asked < self.requests.len() && self.connection.peer_streams_left_bidi() > 0 {
            let request = &self.requests[self.asked];
            let stream = match &mut self.web {
                Some(web) => {
                    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", &request.authority), (":path", &request.path)];
                    let headers = fields.map(|(name, value)| h3::Header::new(name.as_bytes(), value.as_bytes()));
                    match web.send_request(&mut self.connection, &headers, true) {
                        Err(h3::Error::StreamBlocked) => return Ok(()),
                        sent => sent?,
                    }
                }
                None => {
                    let stream = 4 * u64::try_from(self.asked)?;
                    let line = format!("GET {}\r\n", request.path);
                    match self.connection.stream_send(stream, line.as_bytes(), true) {
                        Err(quiche::Error::Done) => return Ok(()),
                        sent => sent?,
                    };
                    stream
                }
            };
            self.bodies.insert(stream, (self.asked, Vec::new()));
            self.asked += 1;
        }
        Ok(())
    }

    fn read(&mut self) -> Outcome<()> {
        if self.web.is_some() {
            return self.read_h3();
        }
        let mut buffer = [0; LARGEST_DATAGRAM];
        for stream in self.connection.readable() {
            loop {
                match self.connection.stream_recv(stream, &mut buffer) {
                    Ok((length, end)) => {
                        let Some((_, body)) = self.bodies.get_mut(&stream) else { break };
                        body.extend_from_slice(&buffer[..length]);
                        if end {
                            self.store(stream)?;
                            break;
                        }
                    }
                    Err(quiche::Error::Done) => break,
                    Err(error) => return Err(format!("stream {stream}: {error}").into()),
                }
            }
        }
        Ok(())
    }

    fn read_h3(&mut self) -> Outcome<()> {
        let mut buffer = [0; LARGEST_DATAGRAM];
        loop {
            let Some(web) = &mut self.web else { return Ok(()) };
            match web.poll(&mut self.connection) {
                Ok((_, h3::Event::Headers { list, .. })) => {
                    let status = list.iter().find(|header| header.name() == b":status").map(|header| header.value());
                    if status != Some(b"200") {
                        return Err(format!("status {}", String::from_utf8_lossy(status.unwrap_or(b"missing"))).into());
                    }
                }
                Ok((stream, h3::Event::Data)) => {
                    while let Ok(length) = web.recv_body(&mut self.connection, stream, &mut buffer) {
                        self.bodies.entry(stream).or_default().1.extend_from_slice(&buffer[..length]);
                    }
                }
                Ok((stream, h3::Event::Finished)) => self.store(stream)?,
                Ok((stream, h3::Event::Reset(code))) => return Err(format!("stream {stream} was reset with {code:#x}").into()),
                Ok(_) => (),
                Err(h3::Error::Done) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn store(&mut self, stream: u64) -> Outcome<()> {
        if let Some((request, body)) = self.bodies.remove(&stream) {
            self.requests[request].store(self.settings, &body)?;
            self.done += 1;
        }
        Ok(())
    }
}

/// Opens a socket whose own address is known, because a path is a pair of addresses.
fn connected(remote: std::net::SocketAddr) -> Outcome<UdpSocket> {
    let probe = UdpSocket::bind(Settings::local_for(remote))?;
    probe.connect(remote)?;
    let mut local = probe.local_addr()?;
    drop(probe);
    local.set_port(0);
    Ok(UdpSocket::bind(local)?)
}
