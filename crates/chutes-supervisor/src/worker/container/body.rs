//! The request to create the container of a run: its command, its mounts, its limits.

use std::path::Path;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, HostConfigLogConfig, Mount,
    MountType, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use chutes_engine::EngineError;
use rustix::process::{Resource, getrlimit};

use super::dropped_limit::DroppedLimit;
use super::{ContainerSetup, ports};

/// The soft and the hard limit of open files in a container. The limits of this process may be lower, and then
/// they apply.
const OPEN_FILES: (u64, u64) = (65_536, 1_048_576);

/// How the engine passes the GPUs of the machine to the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gpu {
    /// The class has no GPU, or the machine has none.
    None,
    /// By a device request to the GPU driver of the engine.
    Request,
    /// By a device name of the Container Device Interface.
    Device,
}

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
    gpu: Gpu,
    dropped: &[DroppedLimit],
) -> Result<ContainerCreateBody, EngineError> {
    let pairs = setup.env.reveal().iter();
    Ok(ContainerCreateBody {
        image: Some(setup.image.tagged()),
        cmd: (!setup.args.is_empty()).then(|| setup.args.clone()),
        env: Some(pairs.map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(chutes_engine::labels(setup.run_id)),
        exposed_ports: ports::exposed(setup),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(HostConfig {
            mounts: Some(mounts(setup)?),
            ..host_config(setup, host_limits, gpu, dropped)
        }),
        ..ContainerCreateBody::default()
    })
}

fn host_config(
    setup: &ContainerSetup,
    host_limits: HostLimits,
    gpu: Gpu,
    dropped: &[DroppedLimit],
) -> HostConfig {
    let profile = &setup.profile;
    let unless = |refused| !dropped.contains(&refused);
    let memory = profile.memory_bytes.filter(|_| unless(DroppedLimit::Memory)).map(signed);
    let nano_cpus = profile.cpu_millis.map(|millis| i64::from(millis) * 1_000_000);
    HostConfig {
        network_mode: (!setup.network).then(|| "none".to_owned()),
        port_bindings: ports::bindings(setup),
        sysctls: ports::sysctls(setup),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        memory,
        // The same as the memory limit: no swap beside it.
        memory_swap: memory.filter(|_| unless(DroppedLimit::Swap)),
        nano_cpus: nano_cpus.filter(|_| unless(DroppedLimit::Processors)),
        pids_limit: unless(DroppedLimit::Processes).then_some(i64::from(profile.processes)),
        shm_size: Some(signed(profile.shared_memory_bytes)),
        ulimits: unless(DroppedLimit::Ulimits).then(|| ulimits(host_limits)),
        // The init process reaps zombies, and forwards signals to programs that would ignore them as the first
        // process of a container.
        init: unless(DroppedLimit::Init).then_some(true),
        // The supervisor keeps the logs. A second copy at the engine would grow without bound.
        log_config: Some(log_config(dropped)),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        device_requests: (gpu == Gpu::Request).then(|| vec![all_gpus()]),
        devices: (gpu == Gpu::Device).then(|| vec![gpu_device()]),
        ..HostConfig::default()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn all_gpus() -> DeviceRequest {
    DeviceRequest {
        count: Some(-1),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }
}

fn gpu_device() -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some("nvidia.com/gpu=all".to_owned()),
        ..DeviceMapping::default()
    }
}

fn log_config(dropped: &[DroppedLimit]) -> HostConfigLogConfig {
    if dropped.contains(&DroppedLimit::NoLog) {
        let size = [("max-size".to_owned(), "1m".to_owned())].into();
        return HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(size) };
    }
    HostConfigLogConfig { typ: Some("none".to_owned()), config: None }
}

/// The limits of each process, capped by those of this process: a rootless engine cannot raise them.
fn ulimits(host_limits: HostLimits) -> Vec<ResourcesUlimits> {
    let limit = |name: &str, soft: u64, hard: u64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(signed(soft)),
        hard: Some(signed(hard)),
    };
    let (soft, hard) = OPEN_FILES;
    let most = host_limits.open_files.unwrap_or(hard).min(hard);
    let mut limits = vec![limit("nofile", soft.min(most), most)];
    // `nproc` counts all processes of the user on the machine, so it does not limit the run.
    limits.extend(host_limits.processes.map(|most| limit("nproc", most, most)));
    limits
}

/// The folders of the run directory that are mounted into the container.
fn mounts(setup: &ContainerSetup) -> Result<Vec<Mount>, EngineError> {
    let directory = &setup.directory;
    let mount = |source: &Path, target: &str, read_only: bool| {
        let Some(source) = source.to_str() else {
            return Err(EngineError::NotUtf8 { path: directory.root().to_owned() });
        };
        Ok(Mount {
            typ: Some(MountType::BIND),
            source: Some(source.to_owned()),
            target: Some(target.to_owned()),
            read_only: Some(read_only),
            ..Mount::default()
        })
    };
    let mut mounts = vec![
        mount(directory.inputs(), "/volume", true)?,
        mount(directory.outputs(), "/output", false)?,
    ];
    if let Some(artifacts) = &setup.artifacts_dir {
        mounts.push(mount(&directory.artifacts(), artifacts.as_str(), false)?);
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use chutes_core::{
        ClassProfile, ContainerPath, ImageName, Port, PortAddress, Protocol, Resources, RunId,
        SecretPairs,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::RunDirectory;

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

    fn said(setup: &ContainerSetup, gpu: Gpu, dropped: &[DroppedLimit]) -> Value {
        serde_json::to_value(body(setup, HOST_LIMITS, gpu, dropped).unwrap()).unwrap()
    }

    #[test]
    fn hardened_by_default() {
        let body = said(&setup(), Gpu::None, &[]);
        assert_eq!(body["Image"], "r.test/x:latest");
        assert_eq!(body["Cmd"], json!(["sh", "-c"]));
        assert_eq!(body["Env"], json!(["K=V=1"]));
        assert_eq!(body["Labels"]["dev.chutes.run-id"], "07070707-0707-0707-0707-070707070707");
        assert!(body["Labels"]["dev.chutes.supervisor"].is_string());
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
        let mounts = said(&setup(), Gpu::None, &[])["HostConfig"]["Mounts"].clone();
        let mount = |source: &str, target: &str, read_only: bool| json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only});
        assert_eq!(
            mounts,
            json!([
                mount("/runs/a:b/inputs", "/volume", true),
                mount("/runs/a:b/outputs", "/output", false),
                mount("/runs/a:b/artifacts", "/artifacts", false),
            ])
        );
        let strange = std::ffi::OsString::from_vec(b"/runs/\xff".to_vec());
        let strange = ContainerSetup { directory: RunDirectory::at(strange.into()), ..setup() };
        let error = body(&strange, HOST_LIMITS, Gpu::None, &[]).unwrap_err();
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
        let body = said(&plain, Gpu::None, &[]);
        assert_eq!(body["Cmd"], Value::Null);
        assert_eq!(body["User"], Value::Null);
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
        let body = said(&with_ports(true), Gpu::None, &[]);
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
        assert_eq!(said(&usual, Gpu::None, &[])["HostConfig"]["Sysctls"], Value::Null);
    }

    #[test]
    fn nothing_is_published_without_a_network() {
        let body = said(&with_ports(false), Gpu::None, &[]);
        assert_eq!(body["ExposedPorts"], Value::Null);
        assert_eq!(body["HostConfig"]["PortBindings"], Value::Null);
        assert_eq!(body["HostConfig"]["NetworkMode"], "none");
        // A relay reaches the ports from inside the container's network.
        assert!(body["HostConfig"]["Sysctls"].is_object());
    }

    #[test]
    fn gpus() {
        let host = |gpu| said(&setup(), gpu, &[])["HostConfig"].clone();
        let requests = host(Gpu::Request)["DeviceRequests"].clone();
        assert_eq!(requests, json!([{"Count": -1, "Capabilities": [["gpu"]]}]));
        let devices = host(Gpu::Device)["Devices"].clone();
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
            let mut expected = said(&setup(), Gpu::None, &[])["HostConfig"].clone();
            for name in gone {
                expected.as_object_mut().unwrap().remove(name).unwrap();
            }
            assert_eq!(said(&setup(), Gpu::None, &[limit])["HostConfig"], expected);
        }
        let host = said(&setup(), Gpu::None, &[DroppedLimit::NoLog])["HostConfig"].clone();
        assert_eq!(host["LogConfig"]["Config"], json!({"max-size": "1m"}));
    }
}
