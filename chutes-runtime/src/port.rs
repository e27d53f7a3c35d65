//! The declared ports of a job, with their addresses in a run.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use chutes_core::{Port, PortAddress};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

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
#[derive(Clone, Debug)]
pub struct RunPort {
    at: PortAddress,
    /// Its index among the ports of the run.
    index: usize,
    /// Those that were opened, of all ports of the run.
    opened: watch::Sender<BTreeSet<usize>>,
}

impl PartialEq for RunPort {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for RunPort {}

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
        self.opened(TcpListener::bind(self.at.address).await)
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
        self.opened(UdpSocket::bind(self.at.address).await)
    }

    /// Notes that the port was opened, or adds the name and the address to an error such as "Address already in use".
    fn opened<T>(&self, socket: io::Result<T>) -> io::Result<T> {
        let socket = socket.map_err(|error| {
            let (name, address) = (self.at.port.name(), self.at.address);
            io::Error::new(error.kind(), format!("cannot open port `{name}` at {address}: {error}"))
        })?;
        self.opened.send_if_modified(|opened| opened.insert(self.index));
        Ok(socket)
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
pub(crate) struct RunPorts {
    all: Vec<PortAddress>,
    opened: watch::Sender<BTreeSet<usize>>,
}

impl RunPorts {
    pub(crate) fn new(ports: Vec<PortAddress>) -> Self {
        Self { all: ports, opened: watch::Sender::default() }
    }

    /// Adds a port with its address.
    pub(crate) fn push(&mut self, port: Port, address: SocketAddr) {
        self.all.push(PortAddress { port, address });
    }

    /// The indices of the ports that were opened by the context.
    pub(crate) fn opened(&self) -> watch::Receiver<BTreeSet<usize>> {
        self.opened.subscribe()
    }

    pub(crate) fn get(&self, name: &str) -> Result<RunPort, UnknownPort> {
        let mut all = self.all.iter().enumerate();
        let found = all.find(|(_, at)| at.port.name().as_str() == name);
        let (index, at) = found.ok_or_else(|| UnknownPort { name: name.to_owned() })?;
        Ok(RunPort { at: at.clone(), index, opened: self.opened.clone() })
    }
}
