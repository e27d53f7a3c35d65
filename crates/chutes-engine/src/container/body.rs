//! The request to create a container, and how it is written for the engine.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, HostConfigLogConfig, Mount,
    MountType, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

/// The bindings of the ports of a container, by their notation in the container.
type PortBindings = HashMap<String, Option<Vec<PortBinding>>>;

/// What a container is made from, and what it may use.
///
/// Whatever it is made for, a container has no capabilities, gains no privileges, and is neither restarted nor
/// removed by the engine.
#[derive(Clone, Default)]
pub struct ContainerBody {
    /// The name of its image.
    pub image: String,
    /// The command; `None` for that of the image.
    pub command: Option<Vec<String>>,
    /// Its environment, each variable as `NAME=VALUE`.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// The name that it has in its own eyes; `None` for one that the engine chooses.
    pub hostname: Option<String>,
    /// The folders and files of this machine that it sees.
    pub mounts: Vec<FolderMount>,
    /// Whether it has a network besides its own loopback interface.
    pub has_network: bool,
    /// The ports that the engine publishes.
    pub published: Vec<PublishedPort>,
    /// Settings of the kernel for its namespaces.
    pub sysctls: HashMap<String, String>,
    /// How much memory it may use, in bytes.
    pub memory: Option<u64>,
    /// How much memory and swap space together it may use, in bytes.
    pub memory_swap: Option<u64>,
    /// How much of the processors it may use, in billionths of one.
    pub nano_cpus: Option<u64>,
    /// How many processes it may have.
    pub processes: Option<u64>,
    /// The size of `/dev/shm`, in bytes.
    pub shared_memory: Option<u64>,
    /// The limits of each of its processes.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Whether the engine puts an init process in front of the command.
    pub init: bool,
    /// What the engine keeps of its output.
    pub log: EngineLog,
    /// How it gets the GPUs of the machine.
    pub gpu: GpuAccess,
}

/// A folder or a file of this machine in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderMount {
    /// Its path on this machine.
    pub source: String,
    /// Its path in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A port of a container that is reached at an address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Its number in the container.
    pub number: u16,
    /// Whether it is a port of UDP, and not of TCP.
    pub is_udp: bool,
    /// Its address on this machine.
    pub address: SocketAddr,
}

/// A limit of each process of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Its name, for instance `nofile`.
    pub name: &'static str,
    /// The limit in force.
    pub soft: u64,
    /// The limit up to which a process may raise it.
    pub hard: u64,
}

/// What the engine keeps of the output of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineLog {
    /// Nothing.
    #[default]
    Nothing,
    /// The last megabyte.
    Bounded,
}

/// How a container gets the GPUs of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuAccess {
    /// It gets none.
    #[default]
    None,
    /// By a device request to the GPU driver of the engine.
    Request,
    /// By a device name of the Container Device Interface.
    Device,
}

/// The environment may have secrets.
impl fmt::Debug for ContainerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerBody").field("image", &self.image).finish_non_exhaustive()
    }
}

impl ContainerBody {
    /// The request as the engine gets it, in the words of its API: for tests.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.to_api()).unwrap_or_default()
    }

    pub(super) fn to_api(&self) -> ContainerCreateBody {
        let exposed = self.published.iter().map(|port| port.in_container());
        ContainerCreateBody {
            image: Some(self.image.clone()),
            hostname: self.hostname.clone(),
            cmd: self.command.clone(),
            env: Some(self.env.clone()),
            labels: Some(self.labels.clone()),
            exposed_ports: unless_empty(exposed.collect::<Vec<_>>(), Vec::is_empty),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(self.host_config()),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        HostConfig {
            mounts: Some(self.mounts.iter().map(FolderMount::to_api).collect()),
            network_mode: (!self.has_network).then(|| "none".to_owned()),
            port_bindings: unless_empty(self.port_bindings(), HashMap::is_empty),
            sysctls: unless_empty(self.sysctls.clone(), HashMap::is_empty),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            privileged: Some(false),
            memory: self.memory.map(signed),
            memory_swap: self.memory_swap.map(signed),
            nano_cpus: self.nano_cpus.map(signed),
            pids_limit: self.processes.map(signed),
            shm_size: self.shared_memory.map(signed),
            ulimits: self.ulimits.as_ref().map(|all| all.iter().map(Ulimit::to_api).collect()),
            init: self.init.then_some(true),
            log_config: Some(self.log.to_api()),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            auto_remove: Some(false),
            device_requests: (self.gpu == GpuAccess::Request).then(|| vec![all_gpus()]),
            devices: (self.gpu == GpuAccess::Device).then(|| vec![gpu_device()]),
            ..HostConfig::default()
        }
    }

    fn port_bindings(&self) -> PortBindings {
        let binding = |port: &PublishedPort| PortBinding {
            host_ip: Some(port.address.ip().to_string()),
            host_port: Some(port.address.port().to_string()),
        };
        let entry = |port: &PublishedPort| (port.in_container(), Some(vec![binding(port)]));
        self.published.iter().map(entry).collect()
    }
}

/// A part of a request that is left out when it is empty.
fn unless_empty<T>(part: T, is_empty: impl FnOnce(&T) -> bool) -> Option<T> {
    if is_empty(&part) { None } else { Some(part) }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl FolderMount {
    fn to_api(&self) -> Mount {
        Mount {
            typ: Some(MountType::BIND),
            source: Some(self.source.clone()),
            target: Some(self.target.clone()),
            read_only: Some(self.read_only),
            ..Mount::default()
        }
    }
}

impl PublishedPort {
    /// The notation of the engine for a port of the container, such as `8080/tcp`.
    fn in_container(self) -> String {
        format!("{}/{}", self.number, if self.is_udp { "udp" } else { "tcp" })
    }
}

impl Ulimit {
    fn to_api(&self) -> ResourcesUlimits {
        ResourcesUlimits {
            name: Some(self.name.to_owned()),
            soft: Some(signed(self.soft)),
            hard: Some(signed(self.hard)),
        }
    }
}

impl EngineLog {
    fn to_api(self) -> HostConfigLogConfig {
        match self {
            Self::Nothing => HostConfigLogConfig { typ: Some("none".to_owned()), config: None },
            Self::Bounded => {
                let size = [("max-size".to_owned(), "1m".to_owned())].into();
                HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(size) }
            }
        }
    }
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
