//! The life of one connection: a limited time to log in, then no limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::Disconnect;
use russh::server::{RunningSession, run_stream};
use rustix::net::sockopt::{set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::flow_control::{FlowControl, Throttled};
use super::handler::{Client, RefusedKeys};
use super::pre_auth::Permit;
use super::server::Shared;

/// How long sent data may stay unacknowledged by the machine of the client, in milliseconds
/// (`TCP_USER_TIMEOUT`).
const USER_TIMEOUT_MILLIS: u32 = 120_000;

/// One accepted connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    flow: Arc<FlowControl>,
    refused_keys: Arc<RefusedKeys>,
}

/// Why a connection was closed without a login.
type Refusal = String;

impl Connection {
    /// Serves the connection to its end. `pre_auth` is released after the login.
    pub(super) async fn serve(
        shared: Arc<Shared>,
        (stream, peer): (TcpStream, SocketAddr),
        pre_auth: Permit,
        permit: OwnedSemaphorePermit,
    ) {
        let Ok(local) = prepare(&stream) else { return };
        let flow = FlowControl::new(shared.limits.clone());
        let (on_login, login) = oneshot::channel();
        let addresses = (peer, local);
        let client = Client::new(Arc::clone(&shared), Arc::clone(&flow), addresses, on_login);
        let connection = Self { shared, peer, flow, refused_keys: client.refused_keys() };
        match connection.log_in(stream, client, login, pre_auth).await {
            Ok(Some(session)) => connection.serve_login(session).await,
            Ok(None) => {}
            Err(reason) => connection.shared.reporter.refused(peer, &reason),
        }
        drop(permit);
    }

    /// Waits for the login. `None` when the server stops.
    async fn log_in(
        &self,
        stream: TcpStream,
        client: Client,
        login: oneshot::Receiver<()>,
        pre_auth: Permit,
    ) -> Result<Option<RunningSession<Client>>, Refusal> {
        let limits = &self.shared.limits;
        let deadline = Instant::now() + limits.login_time;
        let stream = Throttled::new(stream, Arc::clone(&self.flow));
        let closed = async {
            tokio::select! {
                () = sleep_until(deadline) => {
                    Some(self.refusal(&format!("the client had not logged in after {:?}", limits.login_time)))
                }
                () = pre_auth.evicted() => {
                    Some("it had to make room: too many connections are not logged in".into())
                }
                () = self.shared.stop.cancelled() => None,
            }
        };
        tokio::pin!(closed);
        let begun = run_stream(Arc::clone(&self.shared.config), stream, client);
        let mut session = tokio::select! {
            begun = begun => begun.map_err(|error| self.refusal(&handshake_error(&error)))?,
            reason = &mut closed => return reason.map_or(Ok(None), Err),
        };
        pre_auth.mark_identified();
        let end = tokio::select! {
            Ok(()) = login => return Ok(Some(session)),
            ended = &mut session => return Err(self.refusal(&login_error(ended))),
            reason = &mut closed => reason.map_or(Ok(None), Err),
        };
        self.flow.abort();
        let _ = session.await;
        end
    }

    /// The reason to report: a refused key takes precedence, as it explains everything else.
    fn refusal(&self, otherwise: &str) -> Refusal {
        self.refused_keys.summary().unwrap_or_else(|| otherwise.to_owned())
    }

    /// Waits for the end of a connection after the login.
    async fn serve_login(&self, mut session: RunningSession<Client>) {
        let (reason, text) = tokio::select! {
            // The end is reported when the login is dropped.
            _ = &mut session => return,
            () = self.shared.stop.cancelled() => (Disconnect::ByApplication, "the run has ended"),
            () = self.flow.overflow() => {
                (Disconnect::ByApplication, "too much was sent that the session has not read")
            }
        };
        let disconnect = async {
            // This fails if the connection is already gone.
            let _ = session.handle().disconnect(reason, text.into(), String::new()).await;
            let _ = (&mut session).await;
        };
        if timeout(self.shared.limits.goodbye, disconnect).await.is_err() {
            self.flow.abort();
            let _ = session.await;
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    set_tcp_nodelay(stream, true)?;
    set_tcp_user_timeout(stream, USER_TIMEOUT_MILLIS)?;
    stream.local_addr()
}

fn handshake_error(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect => "it was closed before anything was said".into(),
        russh::Error::IO(error) => format!("it was lost: {error}"),
        _ => "it does not speak SSH".into(),
    }
}

fn login_error(ended: Result<(), russh::Error>) -> String {
    match ended {
        Ok(()) | Err(russh::Error::Disconnect) => "it was closed before a login".into(),
        Err(russh::Error::IO(error)) => format!("it was lost: {error}"),
        Err(error) => format!("the login failed: {error}"),
    }
}
