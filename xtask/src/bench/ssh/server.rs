//! The two servers, and how clients reach them.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::access::{Background, Reached, process};
use crate::bench::contest::scratch;
use crate::bench::material::Folder;
use crate::command::{program, run};

/// The keys of the client and of OpenSSH's server.
pub(super) struct Keys(Folder);

impl Keys {
    pub(super) fn make(folder: Folder) -> Result<Self> {
        let keys = Self(folder);
        for name in ["client", "host"] {
            let mut make = program("ssh-keygen", "-q -t ed25519 -N");
            run(make.arg("").arg("-f").arg(keys.path(name)))?;
        }
        Ok(keys)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// One of the programs of OpenSSH, with our options only. Both servers exchange keys the same way:
    /// what each of them would choose costs differently much. Other preferences are those of the program.
    pub(super) fn client(&self, name: &str, server: &Server) -> Command {
        let mut client = program(name, "-q -F none -o BatchMode=yes -o IdentitiesOnly=yes");
        client.arg("-i").arg(self.path("client"));
        client.args(["-o", "KexAlgorithms=curve25519-sha256"]);
        client.arg("-o").arg(format!("Port={}", server.port));
        client.args(["-o", "StrictHostKeyChecking=accept-new", "-o", "GlobalKnownHostsFile=none"]);
        let known = self.path("known_hosts");
        client.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
        client
    }
}

/// Where the servers are.
pub(super) const HOST: &str = "127.0.0.1";

/// A server that listens.
pub(super) struct Server {
    pub(super) title: &'static str,
    pub(super) pid: u32,
    port: u16,
    /// The processes that it has without clients.
    own_children: usize,
    _process: Process,
}

enum Process {
    OpenSsh { _server: Background },
    Run { _run: Reached },
}

impl Server {
    /// OpenSSH's own. Like ours it accepts keys only, and prints no greeting. Bash reads `~/.bashrc` for each command,
    /// so both have a home without one.
    pub(super) fn openssh(keys: &Keys) -> Result<Self> {
        let port = TcpListener::bind((HOST, 0))?.local_addr()?.port();
        let config = keys.path("sshd_config");
        let text = format!(
            "ListenAddress {HOST}:{port}\nHostKey {host}\nAuthorizedKeysFile {client}.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPrintMotd no\nPrintLastLog no\nMaxStartups 200\n\
             LogLevel ERROR\nSetEnv HOME={home}\nSubsystem sftp /usr/lib/openssh/sftp-server\n",
            host = keys.path("host").display(),
            client = keys.path("client").display(),
            home = keys.path("home").display(),
        );
        fs::write(&config, text).context("no configuration")?;
        // The package makes it when it starts its service.
        fs::create_dir_all("/run/sshd").context("`sshd` needs `/run/sshd`, as root")?;
        let mut sshd = program("/usr/sbin/sshd", "-D -e -f");
        let mut server = Background::start(sshd.arg(&config), &scratch("sshd.log")?)?;
        server
            .wait_for(|| std::net::TcpStream::connect((HOST, port)).ok())
            .context("no `sshd`; see target/bench/sshd.log")?;
        Ok(Self::new("OpenSSH's `sshd`", server.pid(), port, Process::OpenSsh { _server: server }))
    }

    /// The server of a run, whose job waits.
    pub(super) fn run(jobs: &Path, keys: &Keys) -> Result<Self> {
        let mut command = Command::new(jobs);
        command.env("HOME", keys.path("home"));
        command.args(["run", "waits", "--publish", "ssh:0", "--ssh-public-key"]);
        command.arg(format!("@{}.pub", keys.path("client").display()));
        let run = Reached::start(&mut command, scratch("ssh-run")?, "ssh")?;
        let address = run.field_of("ssh", "address")?.as_str().unwrap_or_default();
        let address: std::net::SocketAddr = address.parse().context("no address")?;
        Ok(Self::new("the run", run.server.pid(), address.port(), Process::Run { _run: run }))
    }

    fn new(title: &'static str, pid: u32, port: u16, process: Process) -> Self {
        // The worker of a run may have just been started.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let own_children = process::children(pid).len();
        Self { title, pid, port, own_children, _process: process }
    }

    /// Waits until all processes of clients have ended.
    pub(super) fn settle(&self) -> Result<()> {
        process::settle(self.pid, self.own_children)
    }
}
