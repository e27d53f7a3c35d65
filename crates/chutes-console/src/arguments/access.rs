//! The arguments that say how a run is reached: ports, SSH, requests over TLS.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use chutes_core::{AccessRequest, JobSpec, Publish, RunRequest, SshAccess};
use chutes_supervisor::check_keys;
use clap::Args;

use crate::input::read_bounded;
use crate::problem::Problem;

/// The most that is read from a file with public keys, in MiB.
const MAX_KEYS_MIB: u64 = 1;

/// How a run is reached.
#[derive(Debug, Args)]
pub struct AccessArguments {
    /// The address on which ports are opened; `0.0.0.0` for all
    #[arg(long, value_name = "ADDRESS", env = "CHUTES_HOST", default_value = "127.0.0.1", value_parser = host)]
    host: IpAddr,
    /// The name or address under which others reach this machine, for certificates and for the commands
    /// that are shown [default: that of --host]
    #[arg(long, value_name = "NAME", env = "CHUTES_PUBLIC_HOST", value_parser = public_host)]
    public_host: Option<String>,
    /// Open a port under another number: `8080:18080`, or `web:0` for any that is free; may be given
    /// several times
    #[arg(long, value_name = "PORT:NUMBER")]
    publish: Vec<Publish>,
    /// Let the owner of this public key log in by SSH while the job runs; may be given several times
    ///
    /// A line as in `~/.ssh/id_ed25519.pub`, or `@FILE` with such lines. The job has to be declared with
    /// `ssh = true`.
    #[arg(long = "ssh-public-key", value_name = "KEY|@FILE", env = "CHUTES_SSH_PUBLIC_KEY")]
    ssh_public_keys: Vec<String>,
    /// When the job has ended by itself, wait, within its time limit, until the last SSH session
    /// has ended
    #[arg(long)]
    keep_alive_while_ssh: bool,
    /// The number of the port for requests over TLS, when the spec asks for streaming
    /// [default: any that is free]
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    streaming_port: u16,
}

impl AccessArguments {
    /// Puts them into a request. They win over its spec, whose public keys are kept besides theirs.
    ///
    /// # Errors
    ///
    /// With exit code 2, when a file with public keys cannot be read, or when a key of the arguments or of the
    /// spec cannot be used.
    pub fn apply(&self, request: &mut RunRequest) -> Result<(), Problem> {
        request.access = AccessRequest {
            host: self.host,
            public_host: self.public_host.clone(),
            streaming_port: self.streaming_port,
        };
        let spec = &mut request.spec;
        if !self.publish.is_empty() {
            spec.publish.clone_from(&self.publish);
        }
        let keys: Vec<String> =
            self.ssh_public_keys.iter().map(|given| read(given)).collect::<Result<_, _>>()?;
        if !keys.is_empty() || self.keep_alive_while_ssh {
            let ssh = spec.ssh.get_or_insert_with(SshAccess::default);
            ssh.public_keys.extend(keys);
            ssh.keep_alive |= self.keep_alive_while_ssh;
        }
        check(spec)
    }
}

/// The text of public keys: the given one, that of `@FILE`, or that of a file whose path is given as it is. A key has a
/// space in it after its kind.
fn read(given: &str) -> Result<String, Problem> {
    let is_path = !given.contains(' ') && Path::new(given).is_file();
    let Some(path) = given.strip_prefix('@').or_else(|| is_path.then_some(given)) else {
        return Ok(given.to_owned());
    };
    let wrong = |error| Problem::wrong(format!("cannot read public keys from `{path}`: {error}"));
    let file = File::open(path).map_err(wrong)?;
    read_bounded(file, "the public keys", &format!("`{path}`"), MAX_KEYS_MIB)
}

/// Keys that cannot be read are a mistake of the command line, not of the run, and so is SSH in a program without it.
fn check(spec: &JobSpec) -> Result<(), Problem> {
    let Some(ssh) = &spec.ssh else { return Ok(()) };
    check_keys(&ssh.public_keys).map_err(Problem::wrong)
}

/// An address of this machine. `localhost` is the only name of which the address is known without asking.
fn host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    brackets.unwrap_or(text).parse().map_err(|_| {
        "expected an address of this machine, for instance `127.0.0.1`, `0.0.0.0` or `localhost`".to_owned()
    })
}

/// A name or an address, as it can stand in a certificate and in a command.
fn public_host(text: &str) -> Result<String, String> {
    if AccessRequest::is_public_host(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a host name or an IP address".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("localhost", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("example.org", None),
            ("", None),
        ] {
            assert_eq!(host(text).ok().map(|host| host.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn files_of_keys() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id.pub");
        std::fs::write(&file, "ssh-ed25519 AAAA me\n").unwrap();
        let file = file.to_str().unwrap();
        for given in [file, &format!("@{file}"), "ssh-ed25519 AAAA me\n"] {
            assert_eq!(read(given).unwrap(), "ssh-ed25519 AAAA me\n");
        }
    }

    #[test]
    fn public_hosts() {
        let check =
            |text: &str, is_right| assert_eq!(public_host(text).is_ok(), is_right, "{text}");
        for text in ["localhost", "gpu-7.lab.test", "192.0.2.7", "2001:db8::1"] {
            check(text, true);
        }
        for text in ["", "-o", "a b", "a..b", "$(x)", "[::1]", "a/b", "host:22", &"a".repeat(64)] {
            check(text, false);
        }
    }
}
