//! How a run is reached, apart from what its spec says.

use std::net::{IpAddr, Ipv4Addr};

use chutes_core::Publish;

use crate::run::Run;

/// How a run is reached, apart from what its spec says.
#[derive(Clone, Debug)]
pub(crate) struct AccessSettings {
    /// The address of this machine on which ports are opened.
    pub(crate) host: IpAddr,
    /// The name or address under which others reach this machine; `None` is that of `host`.
    pub(crate) public_host: Option<String>,
    /// The number of the port for requests over TLS; 0 is any that is free.
    pub(crate) streaming_port: u16,
}

impl AccessSettings {
    /// The name or address under which others reach this machine, as far as it is known.
    pub(super) fn public_host(&self) -> String {
        let of_all = || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        };
        let given = self.public_host.clone();
        given
            .or_else(|| if self.host.is_unspecified() { of_all() } else { None })
            .unwrap_or_else(|| self.host.to_string())
    }
}

impl Default for AccessSettings {
    /// For this machine alone.
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), public_host: None, streaming_port: 0 }
    }
}

impl Run {
    /// Sets the address on which the job opens its ports. Default `127.0.0.1`.
    #[must_use]
    pub fn host(mut self, host: IpAddr) -> Self {
        self.access.host = host;
        self
    }

    /// Sets how the run is reached, apart from what its spec says.
    #[cfg(feature = "command-line")]
    pub(crate) fn access(mut self, settings: AccessSettings) -> Self {
        self.access = settings;
        self
    }

    /// Opens ports under other numbers than the declared ones. Default none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use chutes_runtime::{JobContext, JobError, Registry, Run};
    /// #[chutes_runtime::job(ports = [http("web", 8080)])]
    /// async fn has_a_free_port(ctx: JobContext) -> Result<u16, JobError> {
    ///     Ok(ctx.port("web")?.bind_tcp().await?.local_addr()?.port())
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("has_a_free_port")?.clone();
    /// let outcome = Run::new(job, directory).publish(vec!["8080:0".parse()?]).execute().await?;
    /// let number = outcome.endpoints.ports[0].address.port();
    /// assert_eq!(outcome.result.map(|it| it.to_string()), Some(number.to_string()));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn publish(mut self, publish: Vec<Publish>) -> Self {
        self.spec.publish = publish;
        self
    }
}
