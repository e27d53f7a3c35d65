//! What the server answers to one client: whether it may log in, and which channels it may open.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, Pty};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::backend::{SessionCommand, SessionRequest, Terminal};
use super::channel::{SessionChannel, short};
use super::flow_control::FlowControl;
use super::forward::Forward;
use super::keys::fingerprint;
use super::server::{LoggedIn, Shared};

/// How long the name of a terminal may be.
const LONGEST_TERM: usize = 64;

/// One client.
pub(super) struct Client {
    shared: Arc<Shared>,
    flow: Arc<FlowControl>,
    peer: SocketAddr,
    local: SocketAddr,
    offers: Arc<Offers>,
    /// `EventLog` once somebody has logged in.
    on_login: Option<oneshot::Sender<()>>,
    /// Who, from when the key is verified.
    key: Option<(String, String)>,
    logged_in: Option<LoggedIn>,
    sessions: Arc<Semaphore>,
    forwards: Arc<Semaphore>,
    opened: usize,
    /// Sessions of which it is not known yet what they want.
    preparing: HashMap<ChannelId, Preparing>,
}

/// A session before its shell, command or subsystem.
struct Preparing {
    terminal: Option<Terminal>,
    env: Vec<(String, String)>,
    start: oneshot::Sender<SessionRequest>,
}

/// The keys that were offered in vain.
#[derive(Default)]
pub(super) struct Offers {
    refused: Mutex<(usize, String)>,
}

impl Offers {
    fn refuse(&self, key: String) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = (refused.0 + 1, key);
    }

    /// What to say of them, if there were any.
    pub(super) fn refused(&self) -> Option<String> {
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
            offers: Arc::default(),
            on_login: Some(on_login),
            key: None,
            logged_in: None,
            sessions,
            forwards,
            opened: 0,
            preparing: HashMap::new(),
        }
    }

    pub(super) fn offers(&self) -> Arc<Offers> {
        Arc::clone(&self.offers)
    }

    /// Room for one more channel.
    fn room(&mut self, of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
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
        let Some(preparing) = self.preparing.remove(&channel) else {
            return session.channel_failure(channel);
        };
        let Preparing { terminal, mut env, start } = preparing;
        env.extend(self.origin());
        match start.send(SessionRequest { command, terminal, env }) {
            // What cannot be started says so itself, with the reason.
            Ok(()) => session.channel_success(channel),
            Err(_) => session.channel_failure(channel),
        }
    }

    /// The variables that say from where somebody has come, as OpenSSH sets them.
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

/// Whether a client may set a variable: its language, and nothing that changes what programs do.
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
        self.offers.refuse(fingerprint(offer.public_key));
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
        // Nobody listens when the time to log in is just over, and then the connection is cut.
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
        let Some(permit) = self.room(&sessions) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (start, request) = oneshot::channel();
        let preparing = Preparing { terminal: None, env: Vec::new(), start };
        self.preparing.insert(channel.id(), preparing);
        let backend = Arc::clone(&self.shared.backend);
        let flow = Arc::clone(&self.flow);
        let channel = SessionChannel::new(channel, session.handle(), backend, flow, permit);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            channel.run(request).await;
            // The server waits for all who have this.
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
        let (Some(permit), Ok(port)) = (self.room(&forwards), u16::try_from(port)) else {
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
        self.preparing.remove(&channel);
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
        let is_sound = term.len() <= LONGEST_TERM && term.bytes().all(is_name);
        match self.preparing.get_mut(&channel) {
            Some(preparing) if is_sound => {
                preparing.terminal = Some(Terminal {
                    term: term.to_owned(),
                    columns: short(columns),
                    rows: short(rows),
                    pixels: (short(width), short(height)),
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
        let most = self.shared.limits.environment;
        let size = |name: &str, value: &str| name.len() + value.len() + 2;
        match self.preparing.get_mut(&channel) {
            Some(Preparing { env, .. }) if may_set(name) && !value.contains('\0') => {
                env.retain(|(known, _)| known != name);
                let sum: usize = env.iter().map(|(name, value)| size(name, value)).sum();
                if sum + size(name, value) > most {
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
    fn refused_keys_are_told() {
        let offers = Offers::default();
        assert_eq!(offers.refused(), None);
        offers.refuse("SHA256:a".into());
        assert_eq!(offers.refused().unwrap(), "the key SHA256:a may not log in");
        offers.refuse("SHA256:b".into());
        assert_eq!(offers.refused().unwrap(), "none of 2 keys may log in, the last was SHA256:b");
    }
}
