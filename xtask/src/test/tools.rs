//! The programs that the steps need, and where they come from.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};

use super::step::Step;
use crate::command::{cargo, program, run, shown};

/// A program that must be there.
struct Tool {
    /// A command that succeeds when it is.
    probe: &'static str,
    /// The steps that need it; empty means all of them.
    steps: &'static [Step],
    source: Source,
}

/// Where a program comes from.
enum Source {
    /// Packages of Debian.
    Debian(&'static str),
    /// A component of the Rust toolchain.
    Component(&'static str),
    /// A crate, with the options of `cargo install`. The version is the one that we have used; the
    /// newest may need a newer compiler.
    Crate(&'static str),
    /// Packages of Python, in an environment below the target directory.
    Python(&'static str),
}

/// An engine for containers, its runtime and its init program.
const CONTAINER_PACKAGES: &str = "podman runc catatonit";

/// Where tests find Python with its packages: below `CARGO_TARGET_TMPDIR`.
const PYTHON: &str = "target/tmp/python";

const PYTHON_PROBE: &str = "target/tmp/python/bin/python -c \
                            __import__('paramiko'),__import__('compute_horde_core.certificate')";

const TOOLS: &[Tool] = &[
    // The linker.
    Tool { probe: "cc --version", steps: &[], source: Source::Debian("gcc libc6-dev") },
    debian_of_tests("git --version", "git"),
    // Tests of process trees use namespaces.
    debian_of_tests("unshare --version", "util-linux"),
    // Tests of completion scripts.
    debian_of_tests("bash --version", "bash"),
    debian_of_tests("zsh --version", "zsh"),
    debian_of_tests("fish --version", "fish"),
    // Tests of containers. The engine needs more packages than Debian declares.
    debian_of_tests("podman --version", CONTAINER_PACKAGES),
    debian_of_tests("runc --version", "runc"),
    debian_of_tests("busybox --list", "busybox-static"),
    debian_of_tests("catatonit --version", "catatonit"),
    // Tests of SSH and ports, with usual clients.
    debian_of_tests("ssh -V", "openssh-client"),
    debian_of_tests("test -x /usr/lib/openssh/sftp-server", "openssh-sftp-server"),
    debian_of_tests("rsync --version", "rsync"),
    debian_of_tests("sshfs --version", "sshfs"),
    debian_of_tests("curl --version", "curl"),
    debian_of_tests("openssl version", "openssl"),
    // An engine publishes ports by these two. They are where only root looks for programs.
    debian_of_tests("test -x /usr/sbin/iptables", "iptables"),
    debian_of_tests("test -x /usr/lib/cni/bridge", "containernetworking-plugins"),
    debian_of_tests("python3 -m ensurepip --version", "python3-venv"),
    Tool {
        probe: PYTHON_PROBE,
        steps: &[Step::Nextest],
        source: Source::Python("paramiko==5.1.0 compute-horde-sdk==0.0.18"),
    },
    Tool {
        probe: "cargo fmt --version",
        steps: &[Step::Fmt],
        source: Source::Component("rustfmt"),
    },
    Tool {
        probe: "cargo clippy --version",
        steps: &[Step::Clippy, Step::Features],
        source: Source::Component("clippy"),
    },
    Tool {
        probe: "cargo nextest --version",
        steps: &[Step::Nextest],
        source: Source::Crate("cargo-nextest@0.9.143"),
    },
    // An unoptimized build takes a fraction of the time, and the check a second more.
    Tool {
        probe: "cargo deny --version",
        steps: &[Step::Deny],
        source: Source::Crate("cargo-deny@0.20.2 --debug"),
    },
];

/// A program of Debian that tests use.
const fn debian_of_tests(probe: &'static str, packages: &'static str) -> Tool {
    Tool { probe, steps: &[Step::Nextest], source: Source::Debian(packages) }
}

/// Installs what the steps need and is missing.
pub(crate) fn provide(steps: &[Step]) -> Result<()> {
    let needed =
        |tool: &&Tool| tool.steps.is_empty() || tool.steps.iter().any(|step| steps.contains(step));
    TOOLS.iter().filter(needed).try_for_each(provide_one)
}

/// Installs what benchmarks of containers need, if it is missing.
pub(crate) fn provide_containers() -> Result<()> {
    provide_from_debian("podman --version", CONTAINER_PACKAGES)?;
    provide_from_debian("runc --version", "runc")?;
    provide_from_debian("busybox --list", "busybox-static")
}

/// Installs a program that comes in packages of Debian, if it is missing.
pub(crate) fn provide_from_debian(probe: &'static str, packages: &'static str) -> Result<()> {
    provide_one(&Tool { probe, steps: &[], source: Source::Debian(packages) })
}

fn provide_one(tool: &Tool) -> Result<()> {
    if is_there(tool) {
        return Ok(());
    }
    eprintln!("missing: `{}` does not work", tool.probe);
    install(&tool.source)?;
    ensure!(is_there(tool), "`{}` does not work, although it was installed", tool.probe);
    Ok(())
}

fn is_there(tool: &Tool) -> bool {
    let mut words = tool.probe.splitn(2, ' ');
    let mut probe = program(words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let status = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn install(source: &Source) -> Result<()> {
    let mut commands = match source {
        Source::Crate(options) => vec![cargo(&format!("install --locked {options}"))],
        Source::Component(name) => vec![program("rustup", &format!("component add {name}"))],
        Source::Debian(packages) => debian(packages)?,
        Source::Python(packages) => {
            let pip = format!("{PYTHON}/bin/python");
            let options = "-m pip install --disable-pip-version-check";
            vec![
                program("python3", &format!("-m venv {PYTHON}")),
                program(&pip, &format!("{options} {packages}")),
            ]
        }
    };
    commands.iter_mut().try_for_each(run)
}

/// The commands that install packages, if that is possible here.
fn debian(packages: &str) -> Result<Vec<Command>> {
    let install = format!("install --yes --no-install-recommends {packages}");
    let commands = vec![program("apt-get", "update"), program("apt-get", &install)];
    let is_debian = Path::new("/etc/debian_version").exists();
    if is_debian && is_root() {
        return Ok(commands);
    }
    let lines: Vec<String> = commands.iter().map(shown).collect();
    bail!("install it first; on Debian, as root: `{}`", lines.join(" && "));
}

/// A directory of `/proc` belongs to the user of its process.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
