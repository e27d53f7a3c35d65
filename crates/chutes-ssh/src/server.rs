//! The SSH server: its settings, and accepting connections.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{EventReporter, SshEndpoint};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backend::SessionBackend;
use super::connection::Connection;
use super::events::LoginReporter;
use super::host_key::{self, HostKey};
use super::key_ring::KeyRing;
use super::keys::AuthorizedKeys;
use super::limits::SshLimits;
use super::pre_auth::PreAuthLimiter;

/// The time after which session keys are renewed, however little was sent.
const REKEY_TIME: Duration = Duration::from_hours(1);

/// The shortest time to the answer for a refused key. Keys cannot be guessed; this slows down clients that
/// try too fast.
const REJECTION_TIME: Duration = Duration::from_millis(100);

/// The pause after a failed accept, for instance because there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long an evicted connection may take to be closed.
const EVICTION_TIME: Duration = Duration::from_secs(1);

/// How long the tasks of a stopped server may take to end, besides the time that their processes need.
const STOP_TIME: Duration = Duration::from_secs(10);

/// The largest numbers of messages of one client that wait within the library, and for it.
const CHANNEL_MESSAGES: usize = 64;
const OUTGOING_MESSAGES: usize = 16;

/// The settings of a server.
#[derive(Debug)]
pub struct SshSettings {
    /// The keys that may log in.
    pub keys: AuthorizedKeys,
    /// The name or address of this machine for clients.
    pub public_host: String,
    /// The limits of the server.
    pub limits: SshLimits,
}

/// A running SSH server.
pub struct SshServer {
    endpoint: SshEndpoint,
    shared: Arc<Shared>,
    open: watch::Receiver<usize>,
    /// Closed when all clones of [`Shared`] are dropped.
    all_ended: mpsc::Receiver<Infallible>,
    /// Stops the server when this is dropped.
    _stop: DropGuard,
}

/// What all tasks of one server share.
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) keys: KeyRing,
    pub(super) backend: Arc<dyn SessionBackend>,
    pub(super) limits: SshLimits,
    pub(super) reporter: LoginReporter,
    pub(super) stop: CancellationToken,
    open: watch::Sender<usize>,
    _alive: mpsc::Sender<Infallible>,
}

impl SshServer {
    /// Makes a host key and serves from now on. Must be called within a runtime.
    pub fn start(
        listener: std::net::TcpListener,
        settings: SshSettings,
        backend: Arc<dyn SessionBackend>,
        events: EventReporter,
    ) -> io::Result<Self> {
        let SshSettings { keys, public_host, limits } = settings;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let host_key = HostKey::generate()?;
        let address = listener.local_addr()?;
        let endpoint = SshEndpoint {
            address,
            fingerprint: host_key.fingerprint(),
            known_hosts: host_key.known_hosts(&public_host, address.port())?,
            command: host_key::command(&public_host, address.port()),
        };
        let (open, open_sessions) = watch::channel(0);
        let (alive, all_ended) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            config: Arc::new(config(&host_key, &limits)),
            keys: KeyRing::new(keys),
            backend,
            limits,
            reporter: LoginReporter::new(events),
            stop: stop.clone(),
            open,
            _alive: alive,
        });
        tokio::spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { endpoint, shared, open: open_sessions, all_ended, _stop: stop.drop_guard() })
    }

    /// The address and the host key of the server, for clients.
    #[must_use]
    pub fn endpoint(&self) -> SshEndpoint {
        self.endpoint.clone()
    }

    /// The keys that may log in, to be changed.
    #[must_use]
    pub fn keys(&self) -> KeyRing {
        self.shared.keys.clone()
    }

    /// The number of connections that are logged in.
    #[must_use]
    pub fn open_sessions(&self) -> watch::Receiver<usize> {
        self.open.clone()
    }

    /// Disconnects all clients and ends the processes of their sessions. Returns warnings.
    pub async fn stop(self) -> Vec<String> {
        let Self { shared, mut all_ended, .. } = self;
        shared.stop.cancel();
        let mut warnings = shared.backend.stop().await;
        shared.reporter.finish();
        drop(shared);
        let ended = async { while all_ended.recv().await.is_some() {} };
        if timeout(STOP_TIME, ended).await.is_err() {
            warnings.push("some SSH connections did not end with the run".into());
        }
        warnings
    }
}

impl std::fmt::Debug for SshServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshServer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A login, which ends when this is dropped.
pub(super) struct LoggedIn {
    shared: Arc<Shared>,
    peer: SocketAddr,
}

impl LoggedIn {
    pub(super) fn new(shared: Arc<Shared>, peer: SocketAddr, user: &str, key: String) -> Self {
        shared.reporter.login(peer, user, key);
        shared.open.send_modify(|open| *open += 1);
        Self { shared, peer }
    }
}

impl Drop for LoggedIn {
    fn drop(&mut self) {
        self.shared.reporter.logout(self.peer);
        self.shared.open.send_modify(|open| *open -= 1);
    }
}

/// Accepts connections until the server stops. `shared` is dropped last, after the listener is closed.
async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let limiter = PreAuthLimiter::new(shared.limits.pending);
    let connections = Arc::new(Semaphore::new(shared.limits.connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::select! {
                () = sleep(ACCEPT_PAUSE) => continue,
                () = shared.stop.cancelled() => return,
            }
        };
        let Some(pre_auth) = limiter.acquire(peer.ip()) else {
            shared.reporter.refused(peer, "too many connections are not logged in");
            continue;
        };
        let Ok(Ok(permit)) = timeout(EVICTION_TIME, Arc::clone(&connections).acquire_owned()).await
        else {
            shared.reporter.refused(peer, "there are too many connections");
            continue;
        };
        tokio::spawn(Connection::serve(Arc::clone(&shared), (stream, peer), pre_auth, permit));
    }
}

fn config(host_key: &HostKey, limits: &SshLimits) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-chutes")),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION_TIME,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key.private()],
        limits: Limits::new(limits.rekey_bytes, limits.rekey_bytes, REKEY_TIME),
        window_size: limits.window,
        channel_buffer_size: CHANNEL_MESSAGES,
        event_buffer_size: OUTGOING_MESSAGES,
        preferred: preferred(),
        // The first request, which asks for the methods, counts as one.
        max_auth_attempts: limits.attempts + 1,
        inactivity_timeout: None,
        keepalive_interval: Some(limits.keepalive),
        keepalive_max: limits.unanswered,
        nodelay: true,
        ..Config::default()
    }
}

/// The supported algorithms: none that is out of date, and none that is not needed. The last two key
/// exchanges are no algorithms, but announce extensions of the protocol.
fn preferred() -> Preferred {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::ECDH_SHA2_NISTP256,
        kex::ECDH_SHA2_NISTP384,
        kex::ECDH_SHA2_NISTP521,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const KEY: &[Algorithm] = &[
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    const CIPHER: &[cipher::Name] = &[
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::AES_256_CTR,
        cipher::AES_128_CTR,
    ];
    // The last two are for clients that know no others, such as libssh2 up to version 1.10.
    const MAC: &[mac::Name] =
        &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256];
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEY),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHER),
        mac: Cow::Borrowed(MAC),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}
