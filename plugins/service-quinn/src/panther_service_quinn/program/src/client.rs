use std::future::poll_fn;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use peer::tls::Tickets;
use peer::{H3, Outcome, PATIENCE, Request, Settings, UNKNOWN_VERSION};
use quinn::crypto::{self, rustls::QuicClientConfig};
use quinn::{ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig, VarInt};
use quinn_proto::transport_parameters::TransportParameters;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use tokio::task::JoinSet;

const VERSION_1: u32 = 1;

pub async fn fetch(settings: Settings) -> Outcome<()> {
    let provider = rustls::crypto::ring::default_provider();
    let (tls, tickets) = peer::tls::client(&settings, provider)?;
    // Initial packets are always protected with AES-128, whatever the client offers.
    let initial = TLS13_AES_128_GCM_SHA256.tls13().and_then(|suite| suite.quic_suite()).ok_or("no AES-128")?;
    let crypto = Arc::new(QuicClientConfig::with_initial(Arc::new(tls), initial)?);
    let settings = Arc::new(settings);
    if settings.is("versionnegotiation") {
        refused(&settings, crypto.clone()).await?;
    }
    for (number, requests) in settings.sessions().into_iter().enumerate() {
        let remote = requests[0].address()?;
        let endpoint = Endpoint::client(Settings::local_for(remote))?;
        let connecting = endpoint.connect_with(config(&settings, crypto.clone()), remote, requests[0].host())?;
        let early = settings.is("zerortt") && number == 1;
        let connection = if early {
            connecting.into_0rtt().map_err(|_| "there is no 0-RTT with this server")?.0
        } else {
            connecting.await?
        };
        let again = (settings.is("resumption") || settings.is("zerortt")) && number == 0;
        session(&settings, &endpoint, connection, requests, again.then_some(&*tickets)).await?;
        crate::farewell(&endpoint).await;
    }
    Ok(())
}

fn config(settings: &Settings, crypto: Arc<QuicClientConfig>) -> ClientConfig {
    let mut config = ClientConfig::new(crypto);
    config.transport_config(crate::transport(settings));
    config
}

/// TLS of version 1 under another number, because quinn refuses to send a version that it cannot speak.
struct Disguised(Arc<QuicClientConfig>);

impl crypto::ClientConfig for Disguised {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        self.0.clone().start_session(VERSION_1, server_name, parameters)
    }
}

/// Offers a version that nobody has: the server must answer with the versions that it has.
async fn refused(settings: &Settings, crypto: Arc<QuicClientConfig>) -> Outcome<()> {
    let remote = settings.requests[0].address()?;
    let mut known = EndpointConfig::default();
    known.supported_versions(vec![UNKNOWN_VERSION]);
    let socket = UdpSocket::bind(Settings::local_for(remote))?;
    let endpoint = Endpoint::new(known, None, socket, Arc::new(quinn::TokioRuntime))?;
    let mut config = ClientConfig::new(Arc::new(Disguised(crypto)));
    config.transport_config(crate::transport(settings));
    config.version(UNKNOWN_VERSION);
    match endpoint.connect_with(config, remote, settings.requests[0].host())?.await {
        Err(ConnectionError::VersionMismatch) => Ok(()),
        other => Err(format!("an unknown version was not answered by version negotiation: {other:?}").into()),
    }
}

async fn session(
    settings: &Arc<Settings>,
    endpoint: &Endpoint,
    connection: Connection,
    requests: &[Request],
    tickets: Option<&Tickets>,
) -> Outcome<()> {
    match settings.testcase.as_str() {
        "keyupdate" => connection.force_key_update(),
        "connectionmigration" => endpoint.rebind(UdpSocket::bind(Settings::local_for(connection.remote_address()))?)?,
        _ => (),
    }
    if settings.alpn == H3 {
        over_h3(settings, connection.clone(), requests).await?;
    } else {
        over_hq(settings, &connection, requests).await?;
    }
    if let Some(tickets) = tickets {
        let wait = async { while !tickets.any() { tokio::time::sleep(Duration::from_millis(2)).await } };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| "the server sent no session ticket")?;
    }
    connection.close(VarInt::from_u32(0), b"");
    Ok(())
}

async fn over_hq(settings: &Arc<Settings>, connection: &Connection, requests: &[Request]) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for request in requests.iter().cloned() {
        let (settings, connection) = (settings.clone(), connection.clone());
        tasks.spawn(async move {
            let (mut send, mut receive) = connection.open_bi().await?;
            send.write_all(format!("GET {}\r\n", request.path).as_bytes()).await?;
            send.finish()?;
            request.store(&settings, &receive.read_to_end(usize::MAX).await?)?;
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn over_h3(settings: &Arc<Settings>, connection: Connection, requests: &[Request]) -> Outcome<()> {
    let (mut driver, opener) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    let driving = tokio::spawn(async move { poll_fn(|context| driver.poll_close(context)).await });
    let mut tasks = JoinSet::new();
    for request in requests.iter().cloned() {
        let (settings, mut opener) = (settings.clone(), opener.clone());
        tasks.spawn(async move {
            let mut stream = opener.send_request(http::Request::get(&request.url).body(())?).await?;
            stream.finish().await?;
            let status = stream.recv_response().await?.status();
            if !status.is_success() {
                return Err(format!("{}: {status}", request.url).into());
            }
            let mut body = Vec::new();
            while let Some(mut part) = stream.recv_data().await? {
                let piece: Bytes = part.copy_to_bytes(part.remaining());
                body.extend_from_slice(&piece);
            }
            request.store(&settings, &body)?;
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    driving.abort();
    Ok(())
}
