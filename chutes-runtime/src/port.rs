//! The declared ports of a job, with their addresses in a run.

use std::io;
use std::net::SocketAddr;

use chutes_core::{Port, PortAddress};
use tokio::net::{TcpListener, UdpSocket};

/// A declared port in a run.
///
/// [`JobContext::port`](crate::JobContext::port) returns it. Its address is that of
/// [`Run::host`](crate::Run::host); its number is the declared one unless the run publishes another.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::data::Json;
/// use chutes::{JobContext, JobError, Registry, Run};
///
/// #[chutes::job(ports = [http("web", 8080)])]
/// async fn tells_its_address(ctx: JobContext) -> Result<String, JobError> {
///     let web = ctx.port("web")?;
///     Ok(format!("{}://{}", web.declared().protocol(), web.address()))
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("tells_its_address")?.clone();
/// let outcome = Run::new(job, directory).host([127, 0, 0, 2].into()).execute().await?;
/// assert_eq!(outcome.result, Some(Json::parse(r#""http://127.0.0.2:8080""#)?));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPort {
    at: PortAddress,
}

impl RunPort {
    /// The port as the job declares it.
    #[must_use]
    pub fn declared(&self) -> &Port {
        &self.at.port
    }

    /// The address to bind.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.at.address
    }

    /// Listens on the port, for `http` and `tcp`. The declared protocol is not checked.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// async fn serve(ctx: JobContext) -> Result<(), JobError> {
    ///     let listener = ctx.port("web")?.bind_tcp().await?;
    ///     let (connection, peer) = listener.accept().await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`], with the name and the address of the port in the message.
    pub async fn bind_tcp(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.at.address).await.map_err(|error| self.named(&error))
    }

    /// Opens the port, for `udp`. The declared protocol is not checked.
    ///
    /// ```
    /// # use chutes::{JobContext, JobError};
    /// async fn receive(ctx: JobContext) -> Result<usize, JobError> {
    ///     let socket = ctx.port("metrics")?.bind_udp().await?;
    ///     Ok(socket.recv(&mut [0; 1_500]).await?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::bind`], with the name and the address of the port in the message.
    pub async fn bind_udp(&self) -> io::Result<UdpSocket> {
        UdpSocket::bind(self.at.address).await.map_err(|error| self.named(&error))
    }

    /// Adds the name and the address to an error such as "Address already in use".
    fn named(&self, error: &io::Error) -> io::Error {
        let message =
            format!("cannot open port `{}` at {}: {error}", self.at.port.name(), self.at.address);
        io::Error::new(error.kind(), message)
    }
}

/// The job declares no port of this name.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let error = chutes::testing::context(folder.path())?.port("web").unwrap_err();
/// assert_eq!(error.to_string(), "the job declares no port `web`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job declares no port `{name}`")]
pub struct UnknownPort {
    /// The requested name.
    pub name: String,
}

/// All ports of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunPorts(Vec<RunPort>);

impl RunPorts {
    pub(crate) fn new(ports: Vec<PortAddress>) -> Self {
        Self(ports.into_iter().map(|at| RunPort { at }).collect())
    }

    /// Adds a port with its address.
    pub(crate) fn push(&mut self, port: Port, address: SocketAddr) {
        self.0.push(RunPort { at: PortAddress { port, address } });
    }

    pub(crate) fn get(&self, name: &str) -> Result<RunPort, UnknownPort> {
        let found = self.0.iter().find(|port| port.at.port.name().as_str() == name);
        found.cloned().ok_or_else(|| UnknownPort { name: name.to_owned() })
    }
}
