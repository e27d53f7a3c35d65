//! Requests over TLS to a job that serves HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chutes_core::{
    AccessRequest, Failure, FailureKind, Phase, Port, PortAddress, PortName, Protocol,
    StreamingEndpoint, Work,
};
use chutes_front::{
    Front, FrontError, FrontLimits, FrontSettings, Upstream, check_client_certificate,
    healthy_after,
};
use chutes_ports::{Claims, Connector};

use super::invalid;
use super::settings::public_host;
use crate::Supervisor;

/// The default port of an image that serves requests, as in ComputeHorde.
const DEFAULT_IMAGE_PORT: u16 = 8_000;

/// Checks the certificate of clients as the front reads it.
pub(crate) fn check_certificate(pem: &str) -> Result<(), String> {
    check_client_certificate(pem).map_err(|error| error.to_string())
}

/// Everything that the front needs, apart from the worker.
pub(super) struct Plan {
    port: PortAddress,
    client_certificate: Option<String>,
}

impl Plan {
    /// The plan that the spec asks for; `None` if the run does not stream.
    pub(super) fn wanted(run: &Supervisor, claims: &Claims) -> Result<Option<Self>, Failure> {
        let Some(streaming) = &run.request.spec.streaming else { return Ok(None) };
        let ports = claims.job_ports();
        let port = match (&streaming.port, &run.request.spec.work) {
            (Some(name), _) => named(&ports, name)?,
            (None, Work::Image { .. }) => for_image(ports)?,
            (None, Work::Job { .. }) => only_http(ports)?,
        };
        Ok(Some(Self { port, client_certificate: streaming.client_certificate.clone() }))
    }

    /// Takes a port for the front, and creates its certificate. Serving begins later, with [`Streaming::serve`].
    pub(super) fn open(
        self,
        settings: &AccessRequest,
        connector: Connector,
    ) -> Result<Streaming, Failure> {
        let settings = FrontSettings {
            listen: SocketAddr::new(settings.host, settings.streaming_port),
            public_host: public_host(settings),
            client_certificate: self.client_certificate,
            limits: FrontLimits::default(),
        };
        let upstream = Upstream { connector, port: self.port };
        let front = Front::open(&settings, upstream.clone()).map_err(|error| {
            let kind = match error {
                FrontError::Listen { .. } => FailureKind::PortUnavailable,
                _ => FailureKind::InvalidSpec,
            };
            Failure::new(kind, error.to_string()).in_phase(Phase::Start)
        })?;
        Ok(Streaming { front, upstream, unready: Mutex::default() })
    }
}

/// The front of a run, and the job behind it.
pub(super) struct Streaming {
    front: Front,
    upstream: Upstream,
    /// What came of the last attempt to find out whether the job serves requests.
    unready: Mutex<Option<String>>,
}

impl Streaming {
    /// Waits until the job serves requests. Fails when this process may not connect to it.
    pub(super) async fn ready(&self) -> io::Result<()> {
        healthy_after(&self.upstream, |problem| *self.unready() = Some(problem)).await
    }

    /// Why the job does not serve requests, as far as it was asked.
    pub(super) fn why_not_ready(&self) -> Option<String> {
        self.unready().clone()
    }

    fn unready(&self) -> MutexGuard<'_, Option<String>> {
        self.unready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to serve clients.
    pub(super) fn serve(&mut self) -> StreamingEndpoint {
        self.front.serve();
        self.front.endpoint()
    }

    /// The number of the port at which the job serves the requests, which need not be declared.
    pub(super) fn job_port(&self) -> u16 {
        self.upstream.port.port.number().get()
    }

    /// Ends all connections.
    pub(super) async fn stop(self) {
        self.front.stop().await;
    }
}

fn named(ports: &[PortAddress], name: &PortName) -> Result<PortAddress, Failure> {
    let found = ports.iter().find(|port| port.port.name() == name).cloned();
    found.ok_or_else(|| invalid(format!("streaming is for port `{name}`, which is not declared")))
}

/// The port at which an image serves requests. It need not be declared, since only the front connects to it.
fn for_image(ports: Vec<PortAddress>) -> Result<PortAddress, Failure> {
    let is_it = |port: &PortAddress| port.port.number().get() == DEFAULT_IMAGE_PORT;
    if let Some(declared) = ports.into_iter().find(is_it) {
        return Ok(declared);
    }
    let port = Port::for_image("streaming", DEFAULT_IMAGE_PORT.into(), Protocol::Http);
    let port = port.map_err(|error| invalid(error.to_string()))?;
    Ok(PortAddress { port, address: (Ipv4Addr::LOCALHOST, DEFAULT_IMAGE_PORT).into() })
}

fn only_http(ports: Vec<PortAddress>) -> Result<PortAddress, Failure> {
    let is_http = |port: &PortAddress| port.port.protocol() == Protocol::Http;
    let mut http = ports.into_iter().filter(is_http);
    match (http.next(), http.next()) {
        (Some(port), None) => Ok(port),
        (None, _) => {
            Err(invalid("streaming needs a port of protocol `http`, and the job has none"))
        }
        (Some(_), Some(_)) => Err(invalid(
            "the job has several ports of protocol `http`: say which by `streaming.port`",
        )),
    }
}
