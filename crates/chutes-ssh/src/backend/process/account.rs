//! The user account of sessions, which is that of the supervisor.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::getuid;

/// Shells for an account that has none.
const DEFAULT_SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// The shells of accounts that may not log in. They are ignored here, because the job runs as this user
/// anyway.
const NO_SHELLS: [&str; 2] = ["nologin", "false"];

/// The user account of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: OsString,
    pub(super) home: PathBuf,
    pub(super) shell: PathBuf,
}

impl Account {
    /// The user of this process.
    pub(super) fn of_this_process() -> Self {
        // Without the file, all values come from the environment.
        let users = std::fs::read("/etc/passwd").unwrap_or_default();
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_executable = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        Self::find(getuid().as_raw(), &users, variable, is_executable)
    }

    fn find(
        user: u32,
        users: &[u8],
        variable: impl Fn(&str) -> Option<OsString>,
        is_executable: impl Fn(&Path) -> bool,
    ) -> Self {
        let entry = Entry::find(user, users);
        let known = |field: fn(Entry) -> OsString| {
            entry.clone().map(field).filter(|value| !value.is_empty())
        };
        let is_shell = |path: &PathBuf| {
            let is_none = |name| NO_SHELLS.iter().any(|none| Path::new(none) == Path::new(name));
            path.is_absolute() && !path.file_name().is_none_or(is_none) && is_executable(path)
        };
        let shells = [known(|entry| entry.shell), variable("SHELL")].into_iter().flatten();
        let shells = shells.map(PathBuf::from).chain(DEFAULT_SHELLS.map(PathBuf::from));
        Self {
            name: known(|entry| entry.name)
                .or_else(|| variable("USER"))
                .unwrap_or_else(|| user.to_string().into()),
            home: variable("HOME")
                .or_else(|| known(|entry| entry.home))
                .unwrap_or("/".into())
                .into(),
            shell: shells.into_iter().find(is_shell).unwrap_or_else(|| "/bin/sh".into()),
        }
    }
}

/// A line of `/etc/passwd`.
#[derive(Clone)]
struct Entry {
    name: OsString,
    home: OsString,
    shell: OsString,
}

impl Entry {
    fn find(user: u32, users: &[u8]) -> Option<Self> {
        users.split(|byte| *byte == b'\n').find_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, number, _, _, home, shell] = fields.as_slice() else { return None };
            let owned = |field: &[u8]| OsString::from_vec(field.to_vec());
            (*number == user.to_string().as_bytes()).then(|| Self {
                name: owned(name),
                home: owned(home),
                shell: owned(shell),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/zsh\n\
                         broken line\n\
                         daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n\
                         worker:x:1000:1000:,,,:/home/worker:/opt/gone\n\
                         bare:x:7:7:::\n";

    fn check(user: u32, variables: &[(&str, &str)], shells: &[&str], expected: (&str, &str, &str)) {
        let variable = |request: &str| {
            variables.iter().find(|(name, _)| *name == request).map(|(_, value)| value.into())
        };
        let is_executable = |path: &Path| shells.iter().any(|shell| Path::new(shell) == path);
        let account = Account::find(user, USERS.as_bytes(), variable, is_executable);
        let (name, home, shell) = expected;
        let expected = Account { name: name.into(), home: home.into(), shell: shell.into() };
        assert_eq!(account, expected, "{user} {variables:?}");
    }

    #[test]
    fn accounts() {
        let all =
            ["/bin/zsh", "/bin/bash", "/bin/sh", "/usr/sbin/nologin", "/bin/fish", "/bin/false"];
        check(0, &[], &all, ("root", "/root", "/bin/zsh"));
        check(0, &[("HOME", "/tmp/home"), ("USER", "x")], &all, ("root", "/tmp/home", "/bin/zsh"));
        check(1, &[], &all, ("daemon", "/usr/sbin", "/bin/bash"));
        check(1, &[("SHELL", "/bin/fish")], &all, ("daemon", "/usr/sbin", "/bin/fish"));
        check(1, &[("SHELL", "/bin/false")], &all, ("daemon", "/usr/sbin", "/bin/bash"));
        check(1, &[("SHELL", "fish")], &all, ("daemon", "/usr/sbin", "/bin/bash"));
        check(1000, &[], &["/bin/sh"], ("worker", "/home/worker", "/bin/sh"));
        check(7, &[], &all, ("bare", "/", "/bin/bash"));
        check(4242, &[], &all, ("4242", "/", "/bin/bash"));
        check(4242, &[("USER", "me")], &[], ("me", "/", "/bin/sh"));
    }
}
