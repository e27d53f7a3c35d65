//! Access to a run: its ports, their published numbers, SSH, streaming.

use serde_json::Value;

use crate::reader::{Fields, Located, Problems};
use crate::spec::{SshAccess, Streaming};
use crate::{Port, PortError, PortName, PortNumber, Protocol, Publish, ReadinessPath};

/// All keys of one of `ports`.
pub(in crate::spec) const PORT_KEYS: [&str; 4] = ["name", "port", "proto", "ready"];

/// All keys of `ssh`.
pub(in crate::spec) const SSH_KEYS: [&str; 2] = ["public_keys", "keep_alive"];

/// All keys of `streaming`.
pub(in crate::spec) const STREAMING_KEYS: [&str; 2] = ["client_certificate", "port"];

/// The names of [`Protocol`].
const PROTOCOLS: [(&str, Protocol); 3] = [
    (Protocol::Http.as_str(), Protocol::Http),
    (Protocol::Tcp.as_str(), Protocol::Tcp),
    (Protocol::Udp.as_str(), Protocol::Udp),
];

/// The ports of an image, each with its path; `None` for one with a problem.
pub(super) fn ports(value: Located, problems: &mut Problems) -> Vec<(String, Option<Port>)> {
    let path = value.path.clone();
    let Some(list) = value.list(problems) else { return vec![(path, None)] };
    list.into_iter().map(|at| (at.path.clone(), port(at, problems))).collect()
}

fn port(at: Located, problems: &mut Problems) -> Option<Port> {
    let mut fields = at.object(&PORT_KEYS, problems)?;
    let name = fields.required("name", "for instance `web`", problems);
    let name = name.and_then(|name| port_name(name, problems));
    let number = fields.required("port", "the number on which the image listens", problems);
    let number = number.and_then(|number| port_number(number, problems));
    let protocol = fields.one_of("proto", &PROTOCOLS, problems);
    let port = |protocol: Protocol| {
        Port::for_image(name?.as_str().to_owned(), number?.get().into(), protocol).ok()
    };
    if !fields.has("ready") {
        return port(protocol?);
    }
    let ready = ready(&mut fields, protocol, problems)?;
    Some(port(protocol?)?.ready_at(ready))
}

fn port_name(at: Located, problems: &mut Problems) -> Option<PortName> {
    at.parsed(problems, |name| {
        PortName::new(name.to_owned()).map_err(|error| {
            let meant = error.suggestion().map(|name| format!(", for instance `{name}`"));
            let meant = meant.unwrap_or_default();
            format!("{error}: it is lowercase ASCII letters, then optional digits{meant}")
        })
    })
}

fn port_number(at: Located, problems: &mut Problems) -> Option<PortNumber> {
    let path = at.path.clone();
    let number = PortNumber::for_image(at.count(problems)?);
    let number = number.map_err(|error| format!("{error}: a port is from 1 to 65535"));
    problems.check(&path, number)
}

fn ready(
    fields: &mut Fields,
    protocol: Option<Protocol>,
    problems: &mut Problems,
) -> Option<ReadinessPath> {
    let at = fields.take("ready")?;
    if protocol.is_some_and(|protocol| protocol != Protocol::Http) {
        problems.add(at.path, PortError::ReadyWithoutHttp.to_string());
        return None;
    }
    at.parsed(problems, |path| {
        ReadinessPath::new(path.to_owned())
            .map_err(|error| format!("{error}: it is the path of a URL, for instance `/health`"))
    })
}

/// The published ports, each with its path.
pub(super) fn publish(value: Located, problems: &mut Problems) -> Vec<(String, Publish)> {
    let list = value.list(problems).unwrap_or_default();
    let read = |at: Located| Some((at.path.clone(), at.parsed(problems, str::parse)?));
    list.into_iter().filter_map(read).collect()
}

/// `true`, `false` or an object.
pub(super) fn ssh(at: Located, problems: &mut Problems) -> Option<SshAccess> {
    match at.value {
        Value::Bool(allowed) => allowed.then(SshAccess::default),
        Value::Object(_) => {
            let mut fields = at.object(&SSH_KEYS, problems)?;
            let keys = fields.take("public_keys").and_then(|keys| keys.list(problems));
            // The place of one that is no text is kept, so that those behind it are found at theirs.
            let key = |key: Located| key.text(problems).unwrap_or_else(|| "not a text".to_owned());
            let public_keys = keys.unwrap_or_default().into_iter().map(key).collect();
            let keep_alive = fields.take("keep_alive").and_then(|keep| keep.boolean(problems));
            Some(SshAccess { public_keys, keep_alive: keep_alive.unwrap_or_default() })
        }
        _ => at.wrong("`true`, `false` or an object with `public_keys`", problems),
    }
}

/// `true`, `false` or an object.
pub(super) fn streaming(at: Located, problems: &mut Problems) -> Option<Streaming> {
    match at.value {
        Value::Bool(streams) => streams.then(Streaming::default),
        Value::Object(_) => {
            let mut fields = at.object(&STREAMING_KEYS, problems)?;
            let client_certificate = fields.text("client_certificate", problems);
            let port = fields.take("port").and_then(|port| port_name(port, problems));
            Some(Streaming { client_certificate, port })
        }
        _ => at.wrong("`true`, `false` or an object with `client_certificate`", problems),
    }
}
