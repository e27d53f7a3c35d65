//! The addresses at which a container engine may be reached.

use std::fmt;

/// The address of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The path of a socket.
    Socket(String),
    /// A URL without encryption.
    Tcp(String),
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            return Ok(Self::Socket(path.to_owned()));
        }
        if text.starts_with("tcp://") || text.starts_with("http://") {
            return Ok(Self::Tcp(text.to_owned()));
        }
        Err("give `unix:///PATH` or `tcp://HOST:PORT`; a machine that is reached in another way, for \
             instance over SSH, needs a tunnel to its socket"
            .to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{path}"),
            Self::Tcp(url) => f.write_str(url),
        }
    }
}

/// The addresses to try, best first: only the chosen one if there is one, else the usual sockets of Docker
/// and of Podman.
pub(super) fn candidates(
    host: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    if let Some(host) = host.map(str::to_owned).or_else(|| variable("DOCKER_HOST")) {
        return vec![host];
    }
    let (runtime, home) = (variable("XDG_RUNTIME_DIR"), variable("HOME"));
    let in_folder =
        |folder: &Option<String>, path| folder.as_ref().map(|it| format!("{it}/{path}"));
    [
        Some("/var/run/docker.sock".to_owned()),
        in_folder(&runtime, "podman/podman.sock"),
        Some("/run/podman/podman.sock".to_owned()),
        in_folder(&runtime, "docker.sock"),
        in_folder(&home, ".docker/run/docker.sock"),
        in_folder(&home, ".docker/desktop/docker.sock"),
    ]
    .into_iter()
    .flatten()
    .map(|path| format!("unix://{path}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let socket = |path: &str| Ok(Address::Socket(path.to_owned()));
        assert_eq!(Address::parse("unix:///run/x.sock"), socket("/run/x.sock"));
        assert_eq!(Address::parse("/run/x.sock"), socket("/run/x.sock"));
        assert_eq!(Address::parse("tcp://h:1"), Ok(Address::Tcp("tcp://h:1".to_owned())));
        for wrong in ["ssh://host", "https://host", "host", ""] {
            assert!(Address::parse(wrong).unwrap_err().contains("unix:///PATH"), "{wrong}");
        }
    }

    #[test]
    fn a_chosen_engine_is_the_only_candidate() {
        let docker_host = |name: &str| (name == "DOCKER_HOST").then(|| "tcp://b:2".to_owned());
        assert_eq!(candidates(Some("unix:///a"), docker_host), ["unix:///a"]);
        assert_eq!(candidates(None, docker_host), ["tcp://b:2"]);
    }

    #[test]
    fn usual_sockets() {
        let user_variables = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/7".to_owned()),
            "HOME" => Some("/home/ada".to_owned()),
            _ => None,
        };
        assert_eq!(
            candidates(None, user_variables),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/7/podman/podman.sock",
                "unix:///run/podman/podman.sock",
                "unix:///run/user/7/docker.sock",
                "unix:///home/ada/.docker/run/docker.sock",
                "unix:///home/ada/.docker/desktop/docker.sock",
            ]
        );
        let no_variables = |_: &str| None;
        assert_eq!(
            candidates(None, no_variables),
            ["unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"]
        );
    }
}
