//! The name under which others reach this machine.

use chutes_core::AccessRequest;

/// The name or address under which others reach this machine, as far as it is known.
#[must_use]
pub fn public_host(access: &AccessRequest) -> String {
    let name_of_machine = || {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    let given = access.public_host.clone();
    given
        .or_else(|| if access.host.is_unspecified() { name_of_machine() } else { None })
        .unwrap_or_else(|| access.host.to_string())
}
