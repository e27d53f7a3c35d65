//! The ports of one job together.

use std::fmt;

use super::{Port, PortConflict};

/// All ports of one job, in the order of their declaration, the SSH port last.
///
/// Numbers and names are unique, the SSH port that `ssh = true` adds included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    list: Vec<Port>,
    ssh: bool,
}

impl Ports {
    /// Checks the declared ports against each other and adds the SSH port when `ssh` is asked for.
    ///
    /// ```
    /// use chutes::contract::{Port, Ports, Protocol};
    ///
    /// let ports = Ports::new(vec![Port::new("web", 8080, Protocol::Http)?], true)?;
    /// assert_eq!(ports.get("ssh"), Some(&Port::ssh()));
    /// assert_eq!(ports.iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(declared: Vec<Port>, ssh: bool) -> Result<Self, PortsError> {
        let mut list: Vec<Port> = Vec::with_capacity(declared.len() + usize::from(ssh));
        let added = ssh.then(Port::ssh);
        for port in declared.into_iter().chain(added) {
            if let Some(conflict) = list.iter().find_map(|earlier| port.conflict_with(earlier)) {
                return Err(PortsError(conflict));
            }
            list.push(port);
        }
        Ok(Self { list, ssh })
    }

    /// Whether SSH was asked for (a port 2202 that the job declares itself is not SSH).
    #[must_use]
    pub fn ssh(&self) -> bool {
        self.ssh
    }

    /// The port of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Port> {
        self.list.iter().find(|port| port.name.as_str() == name)
    }

    /// The ports, the SSH port last.
    pub fn iter(&self) -> std::slice::Iter<'_, Port> {
        self.list.iter()
    }

    /// Whether the job opens no port at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Ports {
    type Item = &'a Port;
    type IntoIter = std::slice::Iter<'a, Port>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Two ports of one job that exclude each other.
///
/// ```
/// use chutes::contract::{Port, Ports, Protocol};
///
/// let shell = Port::new("shell", 2202, Protocol::Tcp)?;
/// let error = Ports::new(vec![shell], true).unwrap_err();
/// assert_eq!(error.to_string(), "port 2202 is declared twice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortsError(
    /// The conflict.
    pub PortConflict,
);

impl fmt::Display for PortsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PortsError {}
