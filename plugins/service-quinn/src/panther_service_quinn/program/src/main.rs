//! quinn as a server and a client of files, driven like an endpoint of the QUIC interop runner.

mod client;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peer::Settings;
use quinn::{Endpoint, QlogConfig, TransportConfig};

const BOTH: &[&str] = &[
    "handshake", "transfer", "http3", "multiconnect", "retry", "resumption", "zerortt", "keyupdate", "chacha20",
    "versionnegotiation", "connectionmigration",
];

/// How long to wait, when all is closed, for stragglers to answer: quinn would take three times the peer's delays.
const FAREWELL: Duration = Duration::from_millis(200);

fn main() {
    peer::main(BOTH, BOTH, |settings| block_on(server::serve(settings)), |settings| block_on(client::fetch(settings)))
}

fn block_on<T>(work: impl Future<Output = peer::Outcome<T>>) -> peer::Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Lets the end of all connections reach their peers.
async fn farewell(endpoint: &Endpoint) {
    let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// Returns what a connection is given: its own qlog file, because quinn has no name for one.
fn transport(settings: &Settings) -> Arc<TransportConfig> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let mut config = TransportConfig::default();
    if let Some(file) = settings.qlog_file(&format!("{}-{}", settings.role, NUMBER.fetch_add(1, Ordering::SeqCst))) {
        let mut qlog = QlogConfig::default();
        qlog.writer(Box::new(file));
        config.qlog_stream(qlog.into_stream());
    }
    Arc::new(config)
}
