//! The rules of access to a run: its ports, their published numbers, SSH, streaming.

use std::collections::{HashMap, HashSet};

use super::Form;
use crate::reader::{Problems, element, member};
use crate::spec::{SshAccess, Streaming};
use crate::{
    Port, PortConflict, PortName, PortNumber, Protocol, Publish, PublishedPort, rule, suggest,
};

/// How many ports are compared with a name that none of them has: a spec may have very many of both.
const MOST_LIKELY: usize = 100;

/// The access that a spec asks for, each port with its path.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Access<'a> {
    /// Whether the ports are all that there are: those of a job are declared by itself.
    pub(in crate::spec) is_image: bool,
    /// `None` for a port whose problem has been reported already.
    pub(in crate::spec) ports: &'a [(String, Option<Port>)],
    pub(in crate::spec) publish: &'a [(String, Publish)],
    pub(in crate::spec) ssh: Option<&'a SshAccess>,
    pub(in crate::spec) streaming: Option<&'a Streaming>,
}

impl Access<'_> {
    pub(in crate::spec) fn check(self, form: Form<'_>, problems: &mut Problems) {
        if let Some(streaming) = self.streaming {
            certificate(streaming, form, problems);
        }
        if !form.is_new {
            return;
        }
        self.check_ports(problems);
        self.check_publish(problems);
        if let Some(ssh) = self.ssh {
            public_keys(ssh, form, problems);
        }
        if let Some(port) = self.streaming.and_then(|streaming| streaming.port.as_ref()) {
            self.check_streaming_port(port, problems);
        }
    }

    /// No two ports of one number or name. Each is looked up, because a spec may have very many.
    fn check_ports(self, problems: &mut Problems) {
        let mut numbers: HashMap<PortNumber, &Port> = HashMap::new();
        let mut names: HashMap<&PortName, &Port> = HashMap::new();
        for (at, port) in self.ports {
            let Some(port) = port else { continue };
            if let Some(conflict) = self.ssh.and_then(|_| port.conflict_with(&Port::ssh())) {
                problems.add(key_of(&conflict, at), reserved(&conflict));
                continue;
            }
            let earlier = numbers.get(&port.number()).or_else(|| names.get(port.name()));
            if let Some(conflict) = earlier.and_then(|earlier| port.conflict_with(earlier)) {
                problems.add(key_of(&conflict, at), conflict.to_string());
            }
            numbers.entry(port.number()).or_insert(port);
            names.entry(port.name()).or_insert(port);
        }
    }

    /// Each port is opened under one number, and each number is for one port.
    fn check_publish(self, problems: &mut Problems) {
        let declared = self.declared();
        let mut published = HashSet::new();
        let mut taken = HashSet::new();
        for (at, publish) in self.publish {
            match self.meant(&publish.port, declared.as_ref()) {
                Err(problem) => problems.add(at, problem),
                Ok(port) if !published.insert(port.clone()) => {
                    problems.add(at, "the port is given a number twice");
                }
                Ok(_) => {}
            }
            if publish.to != 0 && !taken.insert(publish.to) {
                let to = publish.to;
                problems.add(at, format!("the number {to} is given to another port, too"));
            }
        }
    }

    /// The port that is published, in one spelling, or that there is none.
    fn meant(
        self,
        port: &PublishedPort,
        declared: Option<&Declared>,
    ) -> Result<PublishedPort, String> {
        if let Some(declared) = declared {
            let number = declared.number(port).ok_or_else(|| declared.unknown(port))?;
            return Ok(PublishedPort::Number(number.get()));
        }
        if self.ssh.is_some() && *port == PublishedPort::Name(PortName::SSH) {
            return Ok(PublishedPort::Number(PortNumber::SSH.get()));
        }
        Ok(port.clone())
    }

    /// All ports of the run; `None` when they are not known here.
    fn declared(self) -> Option<Declared> {
        if !self.is_image {
            return None;
        }
        let ports = self.ports.iter().map(|(_, port)| port.clone());
        let ports = ports.chain(self.ssh.map(|_| Some(Port::ssh())));
        ports.collect::<Option<Vec<Port>>>().map(Declared::new)
    }

    fn check_streaming_port(self, name: &PortName, problems: &mut Problems) {
        let path = "$.streaming.port";
        let Some(declared) = self.declared() else { return };
        match declared.ports.iter().find(|port| port.name() == name) {
            None => problems.add(path, declared.unknown(&PublishedPort::Name(name.clone()))),
            Some(port) if port.protocol() != Protocol::Http => {
                let protocol = port.protocol();
                problems.add(path, format!("port `{name}` is `{protocol}`, and not `http`"));
            }
            Some(_) => {}
        }
    }
}

/// The ports of an image, the SSH port last, with an index by number and by name.
struct Declared {
    ports: Vec<Port>,
    numbers: HashMap<PublishedPort, PortNumber>,
}

impl Declared {
    fn new(ports: Vec<Port>) -> Self {
        let spellings = |port: &Port| {
            let (number, name) = (port.number(), port.name().clone());
            [(PublishedPort::Number(number.get()), number), (PublishedPort::Name(name), number)]
        };
        Self { numbers: ports.iter().flat_map(spellings).collect(), ports }
    }

    fn number(&self, port: &PublishedPort) -> Option<PortNumber> {
        self.numbers.get(port).copied()
    }

    /// There is no such port, and perhaps which one was meant.
    fn unknown(&self, port: &PublishedPort) -> String {
        let names = self.ports.iter().map(|port| port.name().as_str());
        let meant = match port {
            PublishedPort::Name(name) => suggest::nearest(name.as_str(), names.take(MOST_LIKELY)),
            PublishedPort::Number(_) => None,
        };
        let meant = meant.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
        format!("`ports` has no port `{port}`{meant}")
    }
}

fn certificate(streaming: &Streaming, form: Form<'_>, problems: &mut Problems) {
    let Some(pem) = streaming.client_certificate.as_deref() else { return };
    let path = form.path("$.streaming.client_certificate");
    if pem.trim().is_empty() || pem.contains('\0') {
        let problem = "a certificate is a text that begins with `-----BEGIN CERTIFICATE-----`";
        problems.add(path, problem);
    } else if let Some(rules) = form.rules {
        problems.check(path, (rules.client_certificate)(pem));
    }
}

/// Whether they can be read is for the SSH server to say.
fn public_keys(ssh: &SshAccess, form: Form<'_>, problems: &mut Problems) {
    for (index, key) in ssh.public_keys.iter().enumerate() {
        let path = element("$.ssh.public_keys", index);
        if let Some(problem) = rule::public_keys_problem(key) {
            problems.add(path, format!("the text {problem}"));
        } else if let Some(rules) = form.rules.filter(|_| !problems.is_at(&path)) {
            problems.check(&path, (rules.public_keys)(key));
        }
    }
}

/// The path of the field that two ports have in common.
fn key_of(conflict: &PortConflict, at: &str) -> String {
    member(at, if matches!(conflict, PortConflict::Number { .. }) { "port" } else { "name" })
}

fn reserved(conflict: &PortConflict) -> String {
    match conflict {
        PortConflict::Number { number, .. } => format!("port {number} is reserved by `ssh`"),
        PortConflict::Name { name } => format!("port name `{name}` is reserved by `ssh`"),
    }
}
