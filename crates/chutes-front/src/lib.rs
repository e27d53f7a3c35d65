//! The TLS front: a server through which clients from outside reach the HTTP server of a job.
//!
//! This is an internal component of chutes, without a promise of stability. It is not a proxy for many
//! servers: it has one job behind it, and parses no more of the traffic than HTTP/2 needs.
//!
//! A [`Front`] has a certificate that is made for the run, authenticates clients by their certificates, and
//! forwards their requests over plain HTTP. It runs in the supervisor, so it neither shares the memory of
//! the job nor ends with it by accident. HTTP/1.1 is forwarded byte by byte (`pipe`); HTTP/2 is converted
//! to HTTP/1.1 (`http2`). Connections may be silent for as long as the run takes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes_core::{Port, PortAddress, Protocol};
//! use chutes_front::{Front, FrontLimits, FrontSettings, Upstream, healthy};
//! use chutes_ports::Connector;
//!
//! # let job = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = job.local_addr()?;
//! # tokio::spawn(async move {
//! #     let (mut stream, _) = job.accept().await?;
//! #     tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await
//! # });
//! let port = PortAddress { port: Port::new("web", 8080, Protocol::Http)?, address };
//! let upstream = Upstream { connector: Connector::Here, port };
//! let settings = FrontSettings {
//!     listen: ([127, 0, 0, 1], 0).into(),
//!     public_host: "localhost".into(),
//!     client_certificate: None,
//!     limits: FrontLimits::default(),
//! };
//! let mut front = Front::open(&settings, upstream.clone())?;
//! healthy(&upstream).await?;
//! front.serve();
//! assert!(front.endpoint().certificate.starts_with("-----BEGIN CERTIFICATE-----"));
//! front.stop().await;
//! # Ok(()) }
//! ```

mod accept;
mod certificate;
mod client;
mod connection;
mod direction;
mod http2;
mod limits;
mod pipe;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{PortAddress, StreamingEndpoint};
use chutes_ports::{Connector, get_status};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::version::{TLS12, TLS13};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::certificate::Identity;
use self::client::KnownClients;
use self::connection::{Shared, Stop};
pub use self::limits::FrontLimits;

/// The largest number of connections that the system keeps until they are accepted.
const BACKLOG: i32 = 1_024;

/// How long the front may take to stop before it is aborted.
const STOP_TIME: Duration = Duration::from_secs(5);

/// The pause between two health checks of the job: the first one, and the longest.
const HEALTH_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// At which address a front is reached, and by which clients.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// The address at which the front listens.
    pub listen: SocketAddr,
    /// The name or address that clients connect to.
    pub public_host: String,
    /// The certificates (PEM) of the clients that may connect; with `None` any client may.
    pub client_certificate: Option<String>,
    /// The limits of the front.
    pub limits: FrontLimits,
}

/// Where the job serves plain HTTP.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Connects to the job.
    pub connector: Connector,
    /// The port of the job.
    pub port: PortAddress,
}

/// Why a front cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No certificate can be made for this host.
    #[error(
        "`{host}` is neither an IP address nor a host name; give what clients connect to, without port \
         and scheme (`--public-host`)"
    )]
    PublicHost {
        /// The host that was given.
        host: String,
    },
    /// The certificate of the clients cannot be read.
    #[error("cannot read the client certificate (PEM): {reason}")]
    ClientCertificate {
        /// The reason.
        reason: String,
    },
    /// A private key was given with the certificate. The message does not repeat it.
    #[error(
        "the client certificate (PEM) comes with a private key; give the certificate alone, and keep the \
         key to yourself"
    )]
    ClientKey,
    /// The certificate of the front cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(rcgen::Error),
    /// The certificate of the front cannot be used.
    #[error("cannot set up TLS: {0}")]
    Tls(rustls::Error),
    /// The port cannot be opened.
    #[error("cannot listen on {address} for streaming: {source}; try another port (0 is any)")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
}

/// A TLS front. Dropping it ends all of its connections.
pub struct Front {
    endpoint: StreamingEndpoint,
    shared: Arc<Shared>,
    listener: Option<TcpListener>,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

impl Front {
    /// Makes key and certificate, and opens the port. Clients can connect, but are not served yet.
    pub fn open(settings: &FrontSettings, upstream: Upstream) -> Result<Self, FrontError> {
        let identity = Identity::make(&settings.public_host)?;
        let certificate = identity.pem.clone();
        let tls = tls(identity, settings.client_certificate.as_deref())?;
        let (listener, port) = listen(settings.listen)
            .map_err(|source| FrontError::Listen { address: settings.listen, source })?;
        let limits = settings.limits.within_open_files();
        let requests = Arc::new(Semaphore::new(limits.requests));
        let kept = Arc::new(Semaphore::new(limits.kept()));
        Ok(Self {
            endpoint: StreamingEndpoint { host: settings.public_host.clone(), port, certificate },
            shared: Arc::new(Shared { tls, upstream, limits, requests, kept }),
            listener: Some(listener),
            stop: watch::Sender::new(false),
            accepting: None,
        })
    }

    /// The address and the certificate of the front, for clients.
    #[must_use]
    pub fn endpoint(&self) -> StreamingEndpoint {
        self.endpoint.clone()
    }

    /// Serves from now on, first the clients that have already connected.
    pub fn serve(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        let (shared, stop) = (Arc::clone(&self.shared), Stop(self.stop.subscribe()));
        self.accepting = Some(tokio::spawn(async move {
            // This fails only in a runtime without networking.
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                accept::run(listener, shared, stop).await;
            }
        }));
    }

    /// Stops the front: no client can connect, data that the job has already sent is delivered, and all
    /// connections are closed.
    pub async fn stop(mut self) {
        self.listener = None;
        self.stop.send_replace(true);
        if let Some(accepting) = &mut self.accepting {
            let _ = timeout(STOP_TIME, accepting).await;
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Checks the certificates (PEM) of clients as [`Front::open`] does.
///
/// # Errors
///
/// When there is none, when one cannot be read, or when there is a private key with them.
pub fn check_client_certificate(pem: &str) -> Result<(), FrontError> {
    KnownClients::parse(pem, Arc::new(default_provider())).map(drop)
}

fn tls(identity: Identity, clients: Option<&str>) -> Result<TlsAcceptor, FrontError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(FrontError::Tls)?;
    let builder = match clients {
        Some(pem) => {
            builder.with_client_cert_verifier(Arc::new(KnownClients::parse(pem, provider)?))
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(vec![identity.certificate], identity.key)
        .map_err(FrontError::Tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Waits until the job answers 200 to `GET /health`, perhaps for ever.
///
/// # Errors
///
/// When this process may not connect to the job, which will not change.
pub async fn healthy(upstream: &Upstream) -> io::Result<()> {
    healthy_after(upstream, |_| {}).await
}

/// As [`healthy`], and says of each attempt before what came of it: a lowercase fragment.
///
/// # Errors
///
/// When this process may not connect to the job, which will not change.
pub async fn healthy_after(upstream: &Upstream, mut failed: impl FnMut(String)) -> io::Result<()> {
    let (mut pause, max_pause) = HEALTH_PAUSE;
    let mut attempts = 0;
    loop {
        let problem = match get_status(&upstream.connector, &upstream.port, "/health").await {
            Ok(200) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Ok(status) => format!("was answered with {status}"),
            Err(error) => format!("failed: {error}"),
        };
        attempts += 1;
        let plural = if attempts == 1 { "" } else { "s" };
        failed(format!("`GET /health` {problem} (after {attempts} attempt{plural})"));
        sleep(pause).await;
        pause = (2 * pause).min(max_pause);
    }
}
