//! TLS by rustls, for the stacks that use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, KeyLog, NamedGroup, RootCertStore, ServerConfig};

use crate::{H3, HQ, Outcome, Settings};

const REMEMBERED: usize = 8;

/// Counts the session tickets that arrive: without one there is nothing to resume.
#[derive(Debug)]
pub struct Tickets {
    memory: ClientSessionMemoryCache,
    count: AtomicUsize,
}

impl Tickets {
    pub fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.memory.set_kx_hint(name, group);
    }
    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.memory.kx_hint(name)
    }
    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.memory.set_tls12_session(name, value);
    }
    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.memory.tls12_session(name)
    }
    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.memory.remove_tls12_session(name);
    }
    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.memory.insert_tls13_ticket(name, value);
        self.count.fetch_add(1, Ordering::SeqCst);
    }
    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.memory.take_tls13_ticket(name)
    }
}

/// Writes the key log to the file that was asked for.
#[derive(Debug)]
struct Keys(std::sync::Mutex<std::fs::File>);

impl KeyLog for Keys {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        use std::io::Write;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(random), hex(secret));
        let _ = self.0.lock().expect("nobody panics while writing").write_all(line.as_bytes());
    }
}

fn keys(settings: &Settings) -> Outcome<Option<Arc<dyn KeyLog>>> {
    let Some(path) = &settings.keys else { return Ok(None) };
    Ok(Some(Arc::new(Keys(std::sync::Mutex::new(crate::appending(path)?)))))
}

/// Returns the configuration of a server with the run's certificate.
pub fn server(settings: &Settings, provider: CryptoProvider, alpn: &[&str]) -> Outcome<ServerConfig> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(settings.certs.join("cert.pem"))?.collect();
    let key = PrivateKeyDer::from_pem_file(settings.certs.join("priv.key"))?;
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.max_early_data_size = u32::MAX;
    if let Some(keys) = keys(settings)? {
        config.key_log = keys;
    }
    Ok(config)
}

/// Returns the configuration of a client that trusts the run's authority and remembers sessions.
pub fn client(settings: &Settings, mut provider: CryptoProvider) -> Outcome<(ClientConfig, Arc<Tickets>)> {
    if settings.is("chacha20") {
        provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    }
    let mut roots = RootCertStore::empty();
    for each in CertificateDer::pem_file_iter(settings.certs.join("ca.pem"))? {
        roots.add(each?)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tickets = Arc::new(Tickets { memory: ClientSessionMemoryCache::new(REMEMBERED), count: AtomicUsize::new(0) });
    config.resumption = Resumption::store(tickets.clone());
    config.alpn_protocols = vec![settings.alpn.as_bytes().to_vec()];
    config.enable_early_data = settings.is("zerortt");
    if let Some(keys) = keys(settings)? {
        config.key_log = keys;
    }
    Ok((config, tickets))
}

/// The protocols of a server that has both.
pub const BOTH: &[&str] = &[HQ, H3];
