//! Handles the requests of one client: whether it may log in, and which channels it may open.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, Pty};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::backend::{SessionCommand, SessionRequest, Terminal};
use super::channel::{SessionChannel, to_u16};
use super::flow_control::FlowControl;
use super::forward::Forward;
use super::keys::fingerprint;
use super::server::{LoggedIn, Shared};

/// The longest name of a terminal, in bytes.
const MAX_TERM_BYTES: usize = 64;

/// One client.
pub(super) struct Client {
    shared: Arc<Shared>,
    flow: Arc<FlowControl>,
    peer: SocketAddr,
    local: SocketAddr,
    refused_keys: Arc<RefusedKeys>,
    /// Notified after the login.
    on_login: Option<oneshot::Sender<()>>,
    /// The user name and the fingerprint of the key, from its verification to the login.
    key: Option<(String, String)>,
    logged_in: Option<LoggedIn>,
    sessions: Arc<Semaphore>,
    forwards: Arc<Semaphore>,
    opened: usize,
    /// Open sessions without a command yet.
    pending: HashMap<ChannelId, PendingSession>,
}

/// A session before its request for a shell, a command or a subsystem.
struct PendingSession {
    terminal: Option<Terminal>,
    env: Vec<(String, String)>,
    start: oneshot::Sender<SessionRequest>,
}

/// The keys that were refused.
#[derive(Default)]
pub(super) struct RefusedKeys {
    refused: Mutex<(usize, String)>,
}

impl RefusedKeys {
    fn refuse(&self, key: String) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = (refused.0 + 1, key);
    }

    /// The reason to report, if any key was refused.
    pub(super) fn summary(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match &*refused {
            (0, _) => None,
            (1, key) => Some(format!("the key {key} may not log in")),
            (count, key) => Some(format!("none of {count} keys may log in, the last was {key}")),
        }
    }
}

impl Client {
    pub(super) fn new(
        shared: Arc<Shared>,
        flow: Arc<FlowControl>,
        (peer, local): (SocketAddr, SocketAddr),
        on_login: oneshot::Sender<()>,
    ) -> Self {
        let sessions = Arc::new(Semaphore::new(shared.limits.sessions));
        let forwards = Arc::new(Semaphore::new(shared.limits.forwards));
        Self {
            shared,
            flow,
            peer,
            local,
            refused_keys: Arc::default(),
            on_login: Some(on_login),
            key: None,
            logged_in: None,
            sessions,
            forwards,
            opened: 0,
            pending: HashMap::new(),
        }
    }

    pub(super) fn refused_keys(&self) -> Arc<RefusedKeys> {
        Arc::clone(&self.refused_keys)
    }

    /// A permit for one more channel, if no limit is reached.
    fn acquire_channel(&mut self, of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(of).try_acquire_owned().ok()?;
        self.opened += 1;
        (self.opened <= self.shared.limits.channels_ever).then_some(permit)
    }

    fn start(
        &mut self,
        channel: ChannelId,
        command: SessionCommand,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(pending) = self.pending.remove(&channel) else {
            return session.channel_failure(channel);
        };
        let PendingSession { terminal, mut env, start } = pending;
        env.extend(self.origin());
        match start.send(SessionRequest { command, terminal, env }) {
            // A failure to start is reported on the channel, with the reason.
            Ok(()) => session.channel_success(channel),
            Err(_) => session.channel_failure(channel),
        }
    }

    /// The variables with the addresses of the connection, as OpenSSH sets them.
    fn origin(&self) -> [(String, String); 2] {
        let (peer, local) = (self.peer, self.local);
        let (from, to) = (peer.ip().to_canonical(), local.ip().to_canonical());
        [
            ("SSH_CLIENT".into(), format!("{from} {} {}", peer.port(), local.port())),
            ("SSH_CONNECTION".into(), format!("{from} {} {to} {}", peer.port(), local.port())),
        ]
    }
}

fn refuse() -> Auth {
    let methods = MethodSet::from(&[MethodKind::PublicKey][..]);
    Auth::Reject { proceed_with_methods: Some(methods), partial_success: false }
}

/// Whether a client may set a variable: those of the language, and none that changes which code programs
/// run.
fn may_set(name: &str) -> bool {
    let is_safe = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    name == "LANG" || (name.starts_with("LC_") && is_safe(name)) || name == "TERM"
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(refuse())
    }

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        if self.shared.keys.accept(offer.public_key, offer.algorithm) {
            return Ok(Auth::Accept);
        }
        self.refused_keys.refuse(fingerprint(offer.public_key));
        Ok(refuse())
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if !self.shared.keys.accept(key.public_key, key.algorithm) {
            return Ok(refuse());
        }
        self.key = Some((user.to_owned(), fingerprint(key.public_key)));
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Self::Error> {
        let (Some((user, key)), Some(on_login)) = (self.key.take(), self.on_login.take()) else {
            return Err(russh::Error::Inconsistent);
        };
        self.logged_in = Some(LoggedIn::new(Arc::clone(&self.shared), self.peer, &user, key));
        // The receiver is gone when the time to log in has just passed; the connection is then aborted.
        let _ = on_login.send(());
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let sessions = Arc::clone(&self.sessions);
        let Some(permit) = self.acquire_channel(&sessions) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (start, request) = oneshot::channel();
        let pending = PendingSession { terminal: None, env: Vec::new(), start };
        self.pending.insert(channel.id(), pending);
        let backend = Arc::clone(&self.shared.backend);
        let flow = Arc::clone(&self.flow);
        let channel = SessionChannel::new(channel, session.handle(), backend, flow, permit);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            channel.run(request).await;
            // The server waits until all clones are dropped.
            drop(shared);
        });
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let forwards = Arc::clone(&self.forwards);
        let (Some(permit), Ok(port)) = (self.acquire_channel(&forwards), u16::try_from(port))
        else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (backend, flow) = (Arc::clone(&self.shared.backend), Arc::clone(&self.flow));
        let forward = Forward { channel, reply, backend, flow, permit };
        let (shared, host) = (Arc::clone(&self.shared), host.to_owned());
        tokio::spawn(async move {
            forward.run(host, port).await;
            drop(shared);
        });
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.pending.remove(&channel);
        Ok(())
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.flow.window()
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        let is_valid = term.len() <= MAX_TERM_BYTES && term.bytes().all(is_name);
        match self.pending.get_mut(&channel) {
            Some(pending) if is_valid => {
                pending.terminal = Some(Terminal {
                    term: term.to_owned(),
                    columns: to_u16(columns),
                    rows: to_u16(rows),
                    pixels: (to_u16(width), to_u16(height)),
                });
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let max = self.shared.limits.environment;
        let size = |name: &str, value: &str| name.len() + value.len() + 2;
        match self.pending.get_mut(&channel) {
            Some(PendingSession { env, .. }) if may_set(name) && !value.contains('\0') => {
                env.retain(|(known, _)| known != name);
                let sum: usize = env.iter().map(|(name, value)| size(name, value)).sum();
                if sum + size(name, value) > max {
                    return session.channel_failure(channel);
                }
                env.push((name.to_owned(), value.to_owned()));
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, SessionCommand::Shell, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, SessionCommand::Command(command.to_vec()), session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "sftp" {
            self.start(channel, SessionCommand::Sftp, session)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_a_client_may_set() {
        for (name, expected) in [
            ("LANG", true),
            ("LC_ALL", true),
            ("LC_CTYPE", true),
            ("TERM", true),
            ("LD_PRELOAD", false),
            ("PATH", false),
            ("LC_ALL=x", false),
            ("LC_a", false),
            ("LANGUAGE", false),
            ("", false),
            ("BASH_ENV", false),
        ] {
            assert_eq!(may_set(name), expected, "{name}");
        }
    }

    #[test]
    fn refused_keys_are_reported() {
        let refused_keys = RefusedKeys::default();
        assert_eq!(refused_keys.summary(), None);
        refused_keys.refuse("SHA256:a".into());
        assert_eq!(refused_keys.summary().unwrap(), "the key SHA256:a may not log in");
        refused_keys.refuse("SHA256:b".into());
        assert_eq!(
            refused_keys.summary().unwrap(),
            "none of 2 keys may log in, the last was SHA256:b"
        );
    }
}
