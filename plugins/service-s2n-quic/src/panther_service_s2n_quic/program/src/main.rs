//! s2n-quic as a server and a client of files, driven like an endpoint of the QUIC interop runner.
//!
//! It has neither HTTP/3 nor qlog; with rustls it ignores session tickets, so there is no resumption and no 0-RTT; its
//! client cannot be told to update keys or to move.
#![allow(deprecated)] // its providers made from a configuration of rustls, the only ones that take a choice of ciphers

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer::{HQ, Outcome, Request, Settings};
use s2n_quic::client::Connect;
use s2n_quic::provider::endpoint_limits;
use s2n_quic::provider::tls::rustls as provider;
use s2n_quic::{Client, Connection, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

const FAREWELL: Duration = Duration::from_millis(200);

const SERVER: &[&str] = &[
    "handshake", "transfer", "multiconnect", "retry", "keyupdate", "chacha20", "versionnegotiation",
    "connectionmigration",
];
const CLIENT: &[&str] = &["handshake", "transfer", "multiconnect", "retry", "chacha20"];

fn main() {
    peer::main(SERVER, CLIENT, |settings| block_on(serve(settings)), |settings| block_on(fetch(settings)))
}

fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn serve(settings: Settings) -> Outcome<()> {
    let tls = peer::tls::server(&settings, rustls::crypto::aws_lc_rs::default_provider(), &[HQ])?;
    let mut limits = endpoint_limits::Default::builder();
    if settings.is("retry") {
        limits = limits.with_inflight_handshake_limit(0)?;
    }
    let mut server = Server::builder()
        .with_tls(provider::Server::from(tls))?
        .with_endpoint_limits(limits.build()?)?
        .with_io(settings.listen)?
        .start()?;
    println!("listening on {}", server.local_addr()?);
    let settings = Arc::new(settings);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            connection = server.accept() => {
                tokio::spawn(talk(settings.clone(), connection.ok_or("the endpoint was closed")?));
            }
        }
    }
}

async fn talk(settings: Arc<Settings>, mut connection: Connection) {
    while let Ok(Some(mut stream)) = connection.accept_bidirectional_stream().await {
        let settings = settings.clone();
        tokio::spawn(async move {
            let mut line = Vec::new();
            while let Ok(Some(part)) = stream.receive().await {
                line.extend_from_slice(&part);
                if line.ends_with(b"\n") || line.len() > peer::LONGEST_REQUEST {
                    break;
                }
            }
            match settings.answer(&line) {
                Some(body) => {
                    let _ = stream.send(Bytes::from(body)).await;
                    let _ = stream.finish();
                }
                None => {
                    let _ = stream.reset(1u32.into());
                }
            }
        });
    }
}

async fn fetch(settings: Settings) -> Outcome<()> {
    let (tls, _) = peer::tls::client(&settings, rustls::crypto::aws_lc_rs::default_provider())?;
    let tls = provider::Client::from(tls);
    let settings = Arc::new(settings);
    for requests in settings.sessions() {
        let remote = requests[0].address()?;
        let mut client = Client::builder().with_tls(tls.clone())?.with_io(Settings::local_for(remote))?.start()?;
        let connection = client.connect(Connect::new(remote).with_server_name(requests[0].host())).await?;
        session(&settings, &connection.handle(), requests).await?;
        connection.close(0u32.into());
        drop(connection);
        // The close has been sent; what is left is to answer stragglers, for a time that grows with the peer's delays.
        let _ = tokio::time::timeout(FAREWELL, client.wait_idle()).await;
    }
    Ok(())
}

async fn session(settings: &Arc<Settings>, connection: &s2n_quic::connection::Handle, requests: &[Request]) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for request in requests.iter().cloned() {
        let (settings, mut connection) = (settings.clone(), connection.clone());
        tasks.spawn(async move {
            let mut stream = connection.open_bidirectional_stream().await?;
            stream.send(Bytes::from(format!("GET {}\r\n", request.path))).await?;
            stream.finish()?;
            let mut body = Vec::new();
            while let Some(part) = stream.receive().await? {
                body.extend_from_slice(&part);
            }
            request.store(&settings, &body)?;
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
