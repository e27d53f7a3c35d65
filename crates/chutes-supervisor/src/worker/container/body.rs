//! The request to create the container of a run: its command, its mounts, its limits.

use std::path::Path;

use chutes_core::{PortAddress, Protocol};
use chutes_engine::{
    ContainerBody, EngineError, EngineLog, FolderMount, GpuAccess, PublishedPort, Ulimit,
};
use rustix::process::{Resource, getrlimit};

use super::dropped_limit::DroppedLimit;
use super::{ContainerSetup, hosts, ports};
use crate::RunDirectory;

/// The soft and the hard limit of open files in a container. The limits of this process may be lower, and then
/// they apply.
const OPEN_FILES: (u64, u64) = (65_536, 1_048_576);

/// The hard limits of this process, which its children inherit.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLimits {
    open_files: Option<u64>,
    processes: Option<u64>,
}

impl HostLimits {
    pub(super) fn of_this_process() -> Self {
        Self { open_files: getrlimit(Resource::Nofile).maximum, processes: most_processes() }
    }
}

/// How many processes a user may have. Engines lower their own limit to `pid_max`, so that is an upper bound.
fn most_processes() -> Option<u64> {
    let pids = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok();
    let pids = pids.and_then(|text| text.trim().parse().ok());
    let maximum = getrlimit(Resource::Nproc).maximum;
    maximum.map_or(pids, |maximum| Some(pids.map_or(maximum, |pids| maximum.min(pids))))
}

/// The whole request, without the limits that the engine has refused before.
pub(super) fn body(
    setup: &ContainerSetup,
    host_limits: HostLimits,
    gpu: GpuAccess,
    dropped: &[DroppedLimit],
) -> Result<ContainerBody, EngineError> {
    let directory = text(&setup.directory, setup.directory.root())?;
    let profile = &setup.profile;
    let unless = |refused| !dropped.contains(&refused);
    let memory = profile.memory_bytes.filter(|_| unless(DroppedLimit::Memory));
    let nano_cpus = profile.cpu_millis.map(|millis| u64::from(millis) * 1_000_000);
    let pairs = setup.env.reveal().iter();
    Ok(ContainerBody {
        image: setup.image.tagged(),
        command: (!setup.args.is_empty()).then(|| setup.args.clone()),
        env: pairs.map(|(name, value)| format!("{name}={value}")).collect(),
        labels: chutes_engine::labels(setup.run_id, directory),
        hostname: hosts::hostname(setup),
        mounts: mounts(setup)?,
        has_network: setup.network,
        published: ports::published(setup).iter().map(published_port).collect(),
        sysctls: ports::sysctls(setup),
        memory,
        // The same as the memory limit: no swap beside it.
        memory_swap: memory.filter(|_| unless(DroppedLimit::Swap)),
        nano_cpus: nano_cpus.filter(|_| unless(DroppedLimit::Processors)),
        processes: unless(DroppedLimit::Processes).then_some(u64::from(profile.processes)),
        shared_memory: Some(profile.shared_memory_bytes),
        ulimits: unless(DroppedLimit::Ulimits).then(|| ulimits(host_limits)),
        // The init process reaps zombies, and forwards signals to programs that would ignore them as the first
        // process of a container.
        init: unless(DroppedLimit::Init),
        // The supervisor keeps the logs. A second copy at the engine would grow without bound.
        log: if unless(DroppedLimit::NoLog) { EngineLog::Nothing } else { EngineLog::Bounded },
        gpu,
    })
}

fn published_port(port: &PortAddress) -> PublishedPort {
    PublishedPort {
        number: port.port.number().get(),
        is_udp: port.port.protocol() == Protocol::Udp,
        address: port.address,
    }
}

/// The limits of each process, capped by those of this process: a rootless engine cannot raise them.
fn ulimits(host_limits: HostLimits) -> Vec<Ulimit> {
    let (soft, hard) = OPEN_FILES;
    let most = host_limits.open_files.unwrap_or(hard).min(hard);
    let mut limits = vec![Ulimit { name: "nofile", soft: soft.min(most), hard: most }];
    // `nproc` counts all processes of the user on the machine, so it does not limit the run.
    limits.extend(host_limits.processes.map(|most| Ulimit {
        name: "nproc",
        soft: most,
        hard: most,
    }));
    limits
}

/// A path of the run directory as the API of an engine takes it.
fn text<'a>(directory: &RunDirectory, path: &'a Path) -> Result<&'a str, EngineError> {
    let root = || directory.root().to_owned();
    path.to_str().ok_or_else(|| EngineError::NotUtf8 { path: root() })
}

/// What is mounted into the container from the run directory.
pub(super) fn mounts(setup: &ContainerSetup) -> Result<Vec<FolderMount>, EngineError> {
    let directory = &setup.directory;
    let mount = |source: &Path, target: &str, read_only: bool| {
        let source = text(directory, source)?.to_owned();
        Ok(FolderMount { source, target: target.to_owned(), read_only })
    };
    let mut mounts = vec![
        mount(directory.inputs(), "/volume", true)?,
        mount(directory.outputs(), "/output", false)?,
    ];
    if let Some(artifacts) = &setup.artifacts_dir {
        mounts.push(mount(&directory.artifacts(), artifacts.as_str(), false)?);
    }
    if let Some(file) = hosts::file(setup) {
        mounts.push(mount(&file, hosts::IN_CONTAINER, true)?);
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use chutes_core::{
        ClassProfile, ContainerPath, ImageName, Port, Resources, RunId, SecretPairs,
    };
    use serde_json::{Value, json};

    use super::*;

    fn setup() -> ContainerSetup {
        let memory_bytes = Some(1_000_000);
        let wanted = Resources { memory_bytes, cpu_millis: Some(1_500), ..Resources::default() };
        ContainerSetup {
            run_id: RunId::from_bytes([7; 16]),
            image: ImageName::new("r.test/x").unwrap(),
            args: vec!["sh".to_owned(), "-c".to_owned()],
            env: SecretPairs::new(vec![("K".to_owned(), "V=1".to_owned())]),
            network: false,
            ports: Vec::new(),
            profile: ClassProfile::LOCAL.with(&wanted),
            artifacts_dir: Some(ContainerPath::new("/artifacts").unwrap()),
            directory: RunDirectory::at(PathBuf::from("/runs/a:b")),
            engine: chutes_core::EngineRequest::default(),
        }
    }

    const HOST_LIMITS: HostLimits =
        HostLimits { open_files: Some(20_000), processes: Some(96_000) };

    fn said(setup: &ContainerSetup, gpu: GpuAccess, dropped: &[DroppedLimit]) -> Value {
        body(setup, HOST_LIMITS, gpu, dropped).unwrap().to_json()
    }

    #[test]
    fn hardened_by_default() {
        let body = said(&setup(), GpuAccess::None, &[]);
        assert_eq!(body["Image"], "r.test/x:latest");
        assert_eq!(body["Cmd"], json!(["sh", "-c"]));
        assert_eq!(body["Hostname"], "run-07070707");
        assert_eq!(body["Env"], json!(["K=V=1"]));
        assert_eq!(body["Labels"]["dev.chutes.run-id"], "07070707-0707-0707-0707-070707070707");
        assert!(body["Labels"]["dev.chutes.supervisor"].is_string());
        assert_eq!(body["Labels"]["dev.chutes.run-directory"], "/runs/a:b");
        let host = &body["HostConfig"];
        for (name, expected) in [
            ("NetworkMode", json!("none")),
            ("CapDrop", json!(["ALL"])),
            ("SecurityOpt", json!(["no-new-privileges"])),
            ("Privileged", json!(false)),
            ("Memory", json!(1_000_000)),
            ("MemorySwap", json!(1_000_000)),
            ("NanoCpus", json!(1_500_000_000)),
            ("PidsLimit", json!(4_096)),
            ("ShmSize", json!(1_073_741_824)),
            ("Init", json!(true)),
            ("LogConfig", json!({"Type": "none"})),
            ("AutoRemove", json!(false)),
            ("DeviceRequests", Value::Null),
            ("Devices", Value::Null),
            ("PortBindings", Value::Null),
            ("Sysctls", Value::Null),
        ] {
            assert_eq!(host[name], expected, "{name}");
        }
        assert_eq!(host["RestartPolicy"]["Name"], "no");
        assert_eq!(
            host["Ulimits"],
            json!([
                {"Name": "nofile", "Soft": 20_000, "Hard": 20_000},
                {"Name": "nproc", "Soft": 96_000, "Hard": 96_000},
            ])
        );
    }

    #[test]
    fn mounted() {
        let mounts = said(&setup(), GpuAccess::None, &[])["HostConfig"]["Mounts"].clone();
        let mount = |source: &str, target: &str, read_only: bool| json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only});
        assert_eq!(
            mounts,
            json!([
                mount("/runs/a:b/inputs", "/volume", true),
                mount("/runs/a:b/outputs", "/output", false),
                mount("/runs/a:b/artifacts", "/artifacts", false),
                mount("/runs/a:b/scratch/hosts", "/etc/hosts", true),
            ])
        );
        let strange = std::ffi::OsString::from_vec(b"/runs/\xff".to_vec());
        let strange = ContainerSetup { directory: RunDirectory::at(strange.into()), ..setup() };
        let error = body(&strange, HOST_LIMITS, GpuAccess::None, &[]).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }

    #[test]
    fn what_was_not_asked_for_is_left_to_the_image_and_the_engine() {
        let plain = ContainerSetup {
            args: Vec::new(),
            network: true,
            artifacts_dir: None,
            profile: ClassProfile::LOCAL,
            ..setup()
        };
        let body = said(&plain, GpuAccess::None, &[]);
        assert_eq!(body["Cmd"], Value::Null);
        assert_eq!(body["User"], Value::Null);
        assert_eq!(body["Hostname"], Value::Null);
        let host = &body["HostConfig"];
        for name in ["NetworkMode", "Memory", "MemorySwap", "NanoCpus"] {
            assert_eq!(host[name], Value::Null, "{name}");
        }
        assert_eq!(host["Mounts"].as_array().unwrap().len(), 2);
    }

    fn with_ports(network: bool) -> ContainerSetup {
        let at = |name, number, protocol, address: &str| PortAddress {
            port: Port::for_image(name, number, protocol).unwrap(),
            address: address.parse().unwrap(),
        };
        let ports = vec![
            at("web", 80, Protocol::Http, "127.0.0.1:18080"),
            at("raw", 9000, Protocol::Tcp, "0.0.0.0:9000"),
            at("metrics", 53, Protocol::Udp, "[::1]:1053"),
        ];
        ContainerSetup { network, ports, ..setup() }
    }

    #[test]
    fn published() {
        let body = said(&with_ports(true), GpuAccess::None, &[]);
        assert_eq!(body["ExposedPorts"], json!({"80/tcp": {}, "9000/tcp": {}, "53/udp": {}}));
        let host = &body["HostConfig"];
        assert_eq!(
            host["PortBindings"],
            json!({
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}],
                "9000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9000"}],
                "53/udp": [{"HostIp": "::1", "HostPort": "1053"}],
            })
        );
        assert_eq!(host["Sysctls"], json!({"net.ipv4.ip_unprivileged_port_start": "0"}));
        let usual = ContainerSetup { ports: with_ports(true).ports[1..2].to_vec(), ..setup() };
        assert_eq!(said(&usual, GpuAccess::None, &[])["HostConfig"]["Sysctls"], Value::Null);
    }

    #[test]
    fn nothing_is_published_without_a_network() {
        let body = said(&with_ports(false), GpuAccess::None, &[]);
        assert_eq!(body["ExposedPorts"], Value::Null);
        assert_eq!(body["HostConfig"]["PortBindings"], Value::Null);
        assert_eq!(body["HostConfig"]["NetworkMode"], "none");
        // A relay reaches the ports from inside the container's network.
        assert!(body["HostConfig"]["Sysctls"].is_object());
    }

    #[test]
    fn gpus() {
        let host = |gpu| said(&setup(), gpu, &[])["HostConfig"].clone();
        let requests = host(GpuAccess::Request)["DeviceRequests"].clone();
        assert_eq!(requests, json!([{"Count": -1, "Capabilities": [["gpu"]]}]));
        let devices = host(GpuAccess::Device)["Devices"].clone();
        assert_eq!(devices, json!([{"PathOnHost": "nvidia.com/gpu=all"}]));
    }

    #[test]
    fn what_was_refused_is_left_out_and_nothing_else() {
        for (limit, gone) in [
            (DroppedLimit::Processes, vec!["PidsLimit"]),
            (DroppedLimit::Processors, vec!["NanoCpus"]),
            (DroppedLimit::Swap, vec!["MemorySwap"]),
            (DroppedLimit::Memory, vec!["Memory", "MemorySwap"]),
            (DroppedLimit::Ulimits, vec!["Ulimits"]),
            (DroppedLimit::Init, vec!["Init"]),
        ] {
            let mut expected = said(&setup(), GpuAccess::None, &[])["HostConfig"].clone();
            for name in gone {
                expected.as_object_mut().unwrap().remove(name).unwrap();
            }
            assert_eq!(said(&setup(), GpuAccess::None, &[limit])["HostConfig"], expected);
        }
        let host = said(&setup(), GpuAccess::None, &[DroppedLimit::NoLog])["HostConfig"].clone();
        assert_eq!(host["LogConfig"]["Config"], json!({"max-size": "1m"}));
    }
}
