//! What the programs in Rust have in common: they take their orders as the QUIC interop runner gives them, in
//! environment variables, and end with 0 (done), 1 (failed) or 127 (cannot do that).

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Component, Path, PathBuf};
use std::process::exit;

#[cfg(feature = "rustls")]
pub mod tls;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

pub const H3: &str = "h3";
pub const HQ: &str = "hq-interop";
/// A version that nobody has, for version negotiation.
pub const UNKNOWN_VERSION: u32 = 0x1a2a_3a4a;
/// How long a client waits for a session ticket or for a path to be validated.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Longest request line of hq-interop that is read.
pub const LONGEST_REQUEST: usize = 8192;

/// One file to download.
#[derive(Clone, Debug)]
pub struct Request {
    pub url: String,
    pub authority: String,
    pub path: String,
}

impl Request {
    fn parse(url: &str) -> Outcome<Self> {
        let rest = url.strip_prefix("https://").ok_or_else(|| format!("not an https URL: {url}"))?;
        let (authority, path) = rest.split_once('/').ok_or_else(|| format!("no path in {url}"))?;
        Ok(Self { url: url.into(), authority: authority.into(), path: format!("/{path}") })
    }

    /// The name or address that the server's certificate must be for, without brackets.
    pub fn host(&self) -> &str {
        let end = self.authority.rfind(':').filter(|at| !self.authority[*at..].contains(']'));
        self.authority[..end.unwrap_or(self.authority.len())].trim_matches(['[', ']'])
    }

    pub fn address(&self) -> Outcome<SocketAddr> {
        let found = self.authority.to_socket_addrs().or_else(|_| (self.host(), 443).to_socket_addrs())?.next();
        found.ok_or_else(|| format!("no address for {}", self.authority).into())
    }

    /// Writes the answer to the downloads. An empty one is kept too: whether it is right is judged elsewhere.
    pub fn store(&self, settings: &Settings, body: &[u8]) -> io::Result<()> {
        let name = Path::new(&self.path).file_name().ok_or(io::ErrorKind::InvalidInput)?;
        fs::write(settings.downloads.join(name), body)
    }
}

/// What a program is asked to do, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    pub role: String,
    pub testcase: String,
    pub requests: Vec<Request>,
    pub alpn: String,
    pub listen: SocketAddr,
    pub root: PathBuf,
    pub downloads: PathBuf,
    pub certs: PathBuf,
    pub qlog: Option<PathBuf>,
    pub keys: Option<PathBuf>,
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.into())
}

fn optional_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl Settings {
    /// Reads the environment, and URLs from the command line if there are any. What the interop runner fixes (/www, port 443) are the defaults here.
    fn load() -> Outcome<Self> {
        let testcase = variable("TESTCASE", "");
        let ip: IpAddr = variable("IP", "::").parse()?;
        let words: Vec<String> = env::args().skip(1).collect();
        let wanted = if words.is_empty() { variable("REQUESTS", "") } else { words.join(" ") };
        let requests: Result<_, _> = wanted.split_whitespace().map(Request::parse).collect();
        let qlog = optional_path("QLOGDIR");
        if let Some(folder) = &qlog {
            fs::create_dir_all(folder)?;
        }
        Ok(Self {
            role: variable("ROLE", ""),
            requests: requests?,
            alpn: variable("ALPN", if testcase == "http3" { H3 } else { HQ }),
            listen: SocketAddr::new(ip, variable("PORT", "443").parse()?),
            root: variable("WWW", "/www").into(),
            downloads: variable("DOWNLOADS", "/downloads").into(),
            certs: variable("CERTS", "/certs").into(),
            qlog,
            keys: optional_path("SSLKEYLOGFILE"),
            testcase,
        })
    }

    /// Returns a file's bytes, or None if there is no such file below the root.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let relative: PathBuf = Path::new(name).components().filter(|part| matches!(part, Component::Normal(_))).collect();
        fs::read(self.root.join(relative)).ok()
    }

    /// Returns the file asked for by a line of hq-interop, `GET /name`.
    pub fn answer(&self, line: &[u8]) -> Option<Vec<u8>> {
        self.file(std::str::from_utf8(line).ok()?.trim().strip_prefix("GET ")?)
    }

    /// Returns the address to send from: any of the family that the server has.
    pub fn local_for(remote: SocketAddr) -> SocketAddr {
        let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        SocketAddr::new(any, 0)
    }

    /// Splits the requests into those of each connection, as the test case wants it.
    pub fn sessions(&self) -> Vec<&[Request]> {
        match self.testcase.as_str() {
            "multiconnect" => self.requests.chunks(1).collect(),
            "resumption" | "zerortt" => vec![&self.requests[..1], &self.requests[1..]],
            _ => vec![&self.requests[..]],
        }
    }

    pub fn is(&self, testcase: &str) -> bool {
        self.testcase == testcase
    }

    /// Returns a new qlog file for a connection, if qlog is wanted.
    pub fn qlog_file(&self, name: &str) -> Option<io::BufWriter<fs::File>> {
        let path = self.qlog.as_ref()?.join(format!("{name}.sqlog"));
        fs::File::create(path).ok().map(io::BufWriter::new)
    }
}

/// Opens a file for more lines, as several connections share one key log.
pub fn appending(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// Returns random bytes, for connection IDs and keys.
pub fn random<const N: usize>() -> [u8; N] {
    use io::Read;
    let mut bytes = [0; N];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.expect("this system has random numbers");
    bytes
}

/// Returns a flag that is raised when the program is asked to end, so that it can complete its files.
#[cfg(feature = "signals")]
pub fn ending() -> io::Result<std::sync::Arc<std::sync::atomic::AtomicBool>> {
    let flag = std::sync::Arc::default();
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, std::sync::Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// Runs the program in its role and ends the process. Supported are the test cases of each role.
pub fn main(server: &[&str], client: &[&str], serve: fn(Settings) -> Outcome<()>, fetch: fn(Settings) -> Outcome<()>) -> ! {
    let outcome = Settings::load().and_then(|settings| {
        let (able, run) = match settings.role.as_str() {
            "server" => (server, serve),
            "client" => (client, fetch),
            other => return Err(format!("ROLE must be server or client, not {other:?}").into()),
        };
        if !able.contains(&settings.testcase.as_str()) {
            eprintln!("unsupported test case: {:?} as {}", settings.testcase, settings.role);
            exit(127);
        }
        if settings.role == "client" && settings.requests.is_empty() {
            return Err("REQUESTS is empty".into());
        }
        run(settings)
    });
    if let Err(error) = outcome {
        eprintln!("failed: {error}");
        exit(1);
    }
    exit(0)
}
