//! The job, and the servers before it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bench::access::{Background, Reached, process};
use crate::bench::contest::scratch;
use crate::bench::material::Folder;
use crate::command::{program, run as run_command};

pub(super) const NGINX: &str = "nginx";

/// Something that is put under load.
pub(super) struct Target {
    pub(super) title: &'static str,
    /// Without a path.
    pub(super) url: String,
    pub(super) port: u16,
    /// Its processes are this one and those below it of the same name, as far as `alone` allows.
    pub(super) pid: u32,
    /// Whether it is one process, whatever it has started.
    pub(super) alone: bool,
    _server: Option<Background>,
}

impl Target {
    pub(super) fn is_tls(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// Its processes that live as long as it does.
    pub(super) fn processes(&self) -> Vec<u32> {
        let below = if self.alone { Vec::new() } else { process::children(self.pid) };
        std::iter::once(self.pid).chain(below).collect()
    }
}

/// Starts a run that streams: the run, its job, and its front.
pub(super) fn run(jobs: &Path) -> Result<(Reached, Target, Target)> {
    let spec = scratch("front.json")?;
    fs::write(&spec, json!({"job": "serves", "streaming": true}).to_string())?;
    let mut command = Command::new(jobs);
    command.args(["run", "serves", "--publish", "web:0", "--spec"]).arg(&spec);
    let run = Reached::start(&mut command, scratch("front-run")?, "streaming")?;
    let address = run.field_of("port", "address")?.as_str().context("no address")?;
    let web: u16 = address.rsplit(':').next().unwrap_or_default().parse().context("no port")?;
    let port = run.field_of("streaming", "port")?.as_u64().unwrap_or_default();
    let port = u16::try_from(port).context("no port")?;
    let pid = run.server.pid();
    let worker = *process::children(pid).first().context("the run has no worker")?;
    let target =
        |title, url, port, pid| Target { title, url, port, pid, alone: true, _server: None };
    let job = target("the job itself, plain HTTP", format!("http://127.0.0.1:{web}"), web, worker);
    let front = target("the front of the run", format!("https://127.0.0.1:{port}"), port, pid);
    Ok((run, job, front))
}

/// The certificate of nginx.
pub(super) struct Certificate {
    key: PathBuf,
    certificate: PathBuf,
}

impl Certificate {
    /// Like that of a run: ECDSA with P-256, signed by itself.
    pub(super) fn make(folder: &Folder) -> Result<Self> {
        let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
        let options =
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=a";
        let mut make = program("openssl", options);
        make.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(&key);
        run_command(make.arg("-out").arg(&certificate))?;
        Ok(Self { key, certificate })
    }
}

/// nginx, which keeps connections to the job and to its clients.
pub(super) fn nginx(folder: &Folder, certificate: &Certificate, job: &Target) -> Result<Target> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = folder.path().join("nginx.conf");
    let text = CONFIG
        .replace("@PORT@", &port.to_string())
        .replace("@JOB@", &job.port.to_string())
        .replace("@FOLDER@", &folder.path().display().to_string())
        .replace("@KEY@", &certificate.key.display().to_string())
        .replace("@CERTIFICATE@", &certificate.certificate.display().to_string());
    fs::write(&config, text)?;
    let log = scratch("nginx.log")?;
    let mut command = program("nginx", "-e stderr -c");
    let mut server = Background::start(command.arg(&config), &log)?;
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
    server.wait_for(listens).with_context(|| format!("no nginx; see `{}`", log.display()))?;
    let (pid, url) = (server.pid(), format!("https://127.0.0.1:{port}"));
    Ok(Target { title: NGINX, url, port, pid, alone: false, _server: Some(server) })
}

const CONFIG: &str = "daemon off;
worker_processes auto;
worker_rlimit_nofile 16384;
pid @FOLDER@/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path @FOLDER@/body;
    proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi;
    uwsgi_temp_path @FOLDER@/uwsgi;
    scgi_temp_path @FOLDER@/scgi;
    upstream job {
        server 127.0.0.1:@JOB@;
        keepalive 64;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:@PORT@ ssl http2 backlog=1024;
        ssl_certificate @CERTIFICATE@;
        ssl_certificate_key @KEY@;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {
            proxy_pass http://job;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}
";
