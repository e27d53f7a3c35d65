//! The front with real TLS clients. The test plays the job: it accepts the connection of the front, and
//! sends the data of the job.

mod certificates;
mod handshake;
mod http1;
mod http2;
mod limits;
mod programs;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{Port, PortAddress, Protocol, StreamingEndpoint};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::certificates::ClientCertificate;
use super::*;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A front, and the listener of its job.
struct TestFront {
    front: Front,
    job: TcpListener,
}

impl TestFront {
    async fn new(client_certificate: Option<&str>, limits: FrontLimits) -> Self {
        let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut front = open(&job, client_certificate, limits).unwrap();
        front.serve();
        Self { front, job }
    }

    async fn open_to_all() -> Self {
        Self::new(None, FrontLimits::default()).await
    }

    /// A client without ALPN, which uses HTTP/1.1.
    async fn client(&self) -> TlsStream<TcpStream> {
        Client::of(&self.front.endpoint()).connect().await.unwrap()
    }

    /// The next connection of the front to the job.
    async fn accept(&self) -> TcpStream {
        self.job.accept().await.unwrap().0
    }

    /// Connections of a client and of the job, after the client has sent these bytes.
    async fn pair(&self, sent: &str) -> (TlsStream<TcpStream>, TcpStream) {
        let mut client = self.client().await;
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut job = self.accept().await;
        assert_eq!(read_exactly(&mut job, sent.len()).await, sent);
        (client, job)
    }
}

fn open(
    job: &TcpListener,
    client_certificate: Option<&str>,
    limits: FrontLimits,
) -> Result<Front, FrontError> {
    let settings = FrontSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_host: "run.example".to_owned(),
        client_certificate: client_certificate.map(str::to_owned),
        limits,
    };
    Front::open(&settings, upstream(job.local_addr().unwrap()))
}

fn upstream(address: SocketAddr) -> Upstream {
    let port = Port::for_image("web", 80, Protocol::Http).unwrap();
    Upstream { connector: Connector::Here, port: PortAddress { port, address } }
}

/// The settings of a client.
#[derive(Clone)]
struct Client<'a> {
    port: u16,
    trusts: String,
    name: &'a str,
    presents: Option<&'a ClientCertificate>,
    protocols: &'a [&'a str],
    versions: &'a [&'static SupportedProtocolVersion],
}

impl Client<'_> {
    fn of(endpoint: &StreamingEndpoint) -> Self {
        Self {
            port: endpoint.port,
            trusts: endpoint.certificate.clone(),
            name: "run.example",
            presents: None,
            protocols: &[],
            versions: BOTH,
        }
    }

    async fn connect(self) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.presents {
            Some(certificate) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key.clone()));
                let key = default_provider().key_provider.load_private_key(key).unwrap();
                // It is not checked here that the key belongs to the certificate.
                let certificate = CertifiedKey::new(vec![certificate.certificate.clone()], key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols =
            self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

async fn read_exactly(stream: &mut (impl AsyncReadExt + Unpin), count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Fails the test when a step hangs.
async fn soon<T>(step: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), step).await.expect("this hangs")
}
