//! The life of one connection: a time to log in, then as long as it likes.

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
use super::handler::{Client, Offers};
use super::pre_auth::Permit;
use super::server::Shared;

/// How long what was sent may stay unconfirmed by the machine of the client, in milliseconds. A client that
/// vanished is noticed even when there is nothing to ask it.
const UNCONFIRMED: u32 = 120_000;

/// One accepted connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    flow: Arc<FlowControl>,
    offers: Arc<Offers>,
}

/// Why a connection is over on which nobody has logged in.
type Refusal = String;

impl Connection {
    /// Serves it to its end. `slot` is given back when somebody has logged in.
    pub(super) async fn serve(
        shared: Arc<Shared>,
        (stream, peer): (TcpStream, SocketAddr),
        slot: Permit,
        permit: OwnedSemaphorePermit,
    ) {
        let Ok(local) = prepare(&stream) else { return };
        let flow = FlowControl::new(shared.limits.clone());
        let (on_login, login) = oneshot::channel();
        let ends = (peer, local);
        let client = Client::new(Arc::clone(&shared), Arc::clone(&flow), ends, on_login);
        let connection = Self { shared, peer, flow, offers: client.offers() };
        match connection.log_in(stream, client, login, slot).await {
            Ok(Some(session)) => connection.stay(session).await,
            Ok(None) => {}
            Err(reason) => connection.shared.reporter.refused(peer, &reason),
        }
        drop(permit);
    }

    /// Waits until somebody has logged in. `None` when the server stops.
    async fn log_in(
        &self,
        stream: TcpStream,
        client: Client,
        login: oneshot::Receiver<()>,
        slot: Permit,
    ) -> Result<Option<RunningSession<Client>>, Refusal> {
        let limits = &self.shared.limits;
        let deadline = Instant::now() + limits.login_time;
        let stream = Throttled::new(stream, Arc::clone(&self.flow));
        let over = async {
            tokio::select! {
                () = sleep_until(deadline) => {
                    Some(self.refusal(&format!("nobody had logged in after {:?}", limits.login_time)))
                }
                () = slot.sent_away() => {
                    Some("it had to make room: too many connections are not logged in".into())
                }
                () = self.shared.stop.cancelled() => None,
            }
        };
        tokio::pin!(over);
        let begun = run_stream(Arc::clone(&self.shared.config), stream, client);
        let mut session = tokio::select! {
            begun = begun => begun.map_err(|error| self.refusal(&does_not_speak(&error)))?,
            reason = &mut over => return reason.map_or(Ok(None), Err),
        };
        slot.speaks();
        let end = tokio::select! {
            Ok(()) = login => return Ok(Some(session)),
            ended = &mut session => return Err(self.refusal(&why_ended(ended))),
            reason = &mut over => reason.map_or(Ok(None), Err),
        };
        self.flow.cut();
        let _ = session.await;
        end
    }

    /// The reason that is told: a wrong key explains everything else.
    fn refusal(&self, otherwise: &str) -> Refusal {
        self.offers.refused().unwrap_or_else(|| otherwise.to_owned())
    }

    /// Waits for the end of a connection on which somebody has logged in.
    async fn stay(&self, mut session: RunningSession<Client>) {
        let (reason, text) = tokio::select! {
            // However it ends: it is over, which is told by who had logged in.
            _ = &mut session => return,
            () = self.shared.stop.cancelled() => (Disconnect::ByApplication, "the run has ended"),
            () = self.flow.overflow() => {
                (Disconnect::ByApplication, "too much was sent that nobody has taken")
            }
        };
        let goodbye = async {
            // It fails if the connection is gone already.
            let _ = session.handle().disconnect(reason, text.into(), String::new()).await;
            let _ = (&mut session).await;
        };
        if timeout(self.shared.limits.goodbye, goodbye).await.is_err() {
            self.flow.cut();
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
    set_tcp_user_timeout(stream, UNCONFIRMED)?;
    stream.local_addr()
}

fn does_not_speak(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect => "it was closed before anything was said".into(),
        russh::Error::IO(error) => format!("it was lost: {error}"),
        _ => "it does not speak SSH".into(),
    }
}

fn why_ended(ended: Result<(), russh::Error>) -> String {
    match ended {
        Ok(()) | Err(russh::Error::Disconnect) => "it was closed before a login".into(),
        Err(russh::Error::IO(error)) => format!("it was lost: {error}"),
        Err(error) => format!("the login failed: {error}"),
    }
}
