//! Clients of the TLS front: `curl`, `openssl` for keys, and a TLS connection for what `curl` cannot do.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::tcp;
use crate::machine::own_address;
use crate::sandbox::Sandbox;

/// A TLS connection to the front.
pub type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the front of a run.
#[derive(Debug)]
pub struct Client {
    /// Where the front listens.
    pub address: SocketAddr,
    /// The host in URLs.
    pub host: String,
    /// The certificate of the front, as PEM.
    pub certificate: String,
    file: PathBuf,
}

impl Client {
    /// The client for what the event `streaming` reports.
    pub fn of(event: &Value, sandbox: &Sandbox) -> Self {
        let host = own_address();
        let port = u16::try_from(event["port"].as_u64().unwrap()).unwrap();
        let certificate = event["certificate"].as_str().unwrap().to_owned();
        let file = sandbox.path("front.pem");
        std::fs::write(&file, &certificate).unwrap();
        Self { address: format!("{host}:{port}").parse().unwrap(), host, certificate, file }
    }

    /// The file with the certificate of the front.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Runs `curl`. Returns its exit code, which is 0 for every answer, and the body.
    #[track_caller]
    pub fn curl(&self, options: &[String], path: &str) -> (i32, String) {
        let output = self.command(path).args(options).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// Starts `curl` with a pipe as its standard output.
    #[track_caller]
    pub fn start_curl(&self, options: &[&str], path: &str) -> Child {
        self.command(path).args(options).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self, path: &str) -> Command {
        let port = self.address.port();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--max-time", "50", "--cacert"]).arg(&self.file);
        curl.arg("--resolve").arg(format!("{}:{port}:{}", self.host, self.address.ip()));
        curl.arg(format!("https://{}:{port}{path}", self.host)).stdin(Stdio::null());
        curl
    }

    /// A connection after its handshake.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
        let name = ServerName::try_from(self.host.clone()).unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut connection = StreamOwned::new(tls, tcp::connect(self.address));
        while connection.conn.is_handshaking() {
            connection.conn.complete_io(&mut connection.sock).unwrap();
        }
        connection
    }
}

/// Reads until this text has come.
#[track_caller]
pub fn read_until(connection: &mut Connection, text: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(text.as_bytes()) {
        let mut byte = [0];
        let count = connection.read(&mut byte);
        let so_far = || String::from_utf8_lossy(&read).into_owned();
        match count {
            Ok(1) => read.push(byte[0]),
            other => panic!("`{text}` has not come: {other:?} after {}", so_far()),
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads the head of an answer.
#[track_caller]
pub fn read_head(connection: &mut Connection) -> String {
    read_until(connection, "\r\n\r\n")
}

/// Whether the connection has ended. What is on its way is read first.
pub fn is_cut_off(connection: &mut Connection) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// The key of a client and its certificate, as files.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// Makes a new one. The names in all certificates are the same.
    #[track_caller]
    pub fn make(folder: &Path, file: &str) -> Self {
        let [certificate, key] = ["pem", "key"].map(|end| folder.join(format!("{file}.{end}")));
        let mut openssl = Command::new("openssl");
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(' '));
        openssl.args(["-days", "1", "-subj", "/CN=client", "-keyout"]).arg(&key);
        let output = openssl.arg("-out").arg(&certificate).output();
        let output = output.unwrap_or_else(|error| panic!("`openssl` is needed: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { certificate, key }
    }

    /// The certificate, as PEM.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(&self.certificate).unwrap()
    }

    /// The options with which `curl` presents it.
    pub fn for_curl(&self) -> Vec<String> {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.to_str().unwrap());
        ["--cert", certificate, "--key", key].map(String::from).into()
    }
}
