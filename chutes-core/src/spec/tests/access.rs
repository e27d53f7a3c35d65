//! How a run is reached: ports, where they are opened, SSH, streaming.

use serde_json::{Value, json};

use super::super::*;
use super::{check, check_text, image, problems};
use crate::{Protocol, rule};

/// A port of an image.
fn web() -> Value {
    json!({ "name": "web", "port": 80, "proto": "http" })
}

fn tcp(name: &str, number: u64) -> Value {
    json!({ "name": name, "port": number, "proto": "tcp" })
}

/// Whether a port with this field in place of its own has a problem with these words at this place.
#[track_caller]
fn check_port(key: &str, value: Value, place: &str, words: &str) {
    let mut port = web();
    port[key] = value;
    let text = image(&json!({ "ports": [tcp("db", 5432), port] }));
    let at = format!("$.ports[1]{place}");
    check_text(&text, &[(&at, words)]);
}

#[test]
fn one_port() {
    let all = json!([
        { "name": "a", "port": 1, "proto": "tcp", "ready": null },
        { "name": "b1", "port": 65_535, "proto": "udp" },
        { "name": "c", "port": 8_000, "proto": "http", "ready": "/health?full=1" },
    ]);
    let spec = JobSpec::from_json(&image(&json!({ "ports": all }))).unwrap();
    let Work::Image { ports, .. } = spec.work else { panic!("it is an image") };
    assert_eq!(
        ports.iter().map(|port| port.number().get()).collect::<Vec<_>>(),
        [1, 65_535, 8_000]
    );
    assert_eq!(ports[2].ready().map(crate::ReadinessPath::as_str), Some("/health?full=1"));

    let rule = "it is lowercase ASCII letters, then optional digits";
    let web_ui = format!("invalid port name `Web-UI`: {rule}, for instance `webui`");
    check_port("name", json!("Web-UI"), ".name", &web_ui);
    check_port("name", json!(""), ".name", &format!("invalid port name ``: {rule}"));
    check_port("name", json!(80), ".name", "expected a text, this is a number");
    check_port("name", json!(null), ".name", "missing: for instance `web`");
    let missing = "missing: the number on which the image listens";
    check_port("port", json!(null), ".port", missing);
    for number in [0, 65_536, u64::MAX] {
        let words = format!("port {number} is out of range: a port is from 1 to 65535");
        check_port("port", json!(number), ".port", &words);
    }
    let no_number = "expected a whole number that is not negative, this is a number";
    check_port("port", json!(-1), ".port", no_number);
    check_port("port", json!(80.5), ".port", no_number);
    check_port("proto", json!(null), ".proto", "missing: one of `http`, `tcp`, `udp`");
    check_port(
        "proto",
        json!("https"),
        ".proto",
        "there is no `https`; did you mean `http`? there are `http`, `tcp`, `udp`",
    );
    check_port("raedy", json!("/"), ".raedy", "unknown key, did you mean `ready`?");
    let no_path = "it is the path of a URL, for instance `/health`";
    check_port("ready", json!("x"), ".ready", &format!("invalid readiness path `x`: {no_path}"));
    check_port("ready", json!(true), ".ready", "expected a text, this is `true` or `false`");
}

#[test]
fn readiness_goes_with_http() {
    for protocol in ["tcp", "udp"] {
        let port = json!({ "name": "a", "port": 1, "proto": protocol, "ready": "/" });
        let text = image(&json!({ "ports": [port] }));
        check_text(&text, &[("$.ports[0].ready", "only an HTTP port has a readiness path")]);
    }
    let port = json!({ "name": "a", "port": 1, "proto": "xtp", "ready": "/" });
    check(&json!({ "ports": [port] }), &["$.ports[0].proto"]);
}

#[test]
fn ports_together() {
    for (ports, ssh, expected) in [
        (json!([]), true, &[][..]),
        (json!([web(), tcp("db", 5432)]), true, &[]),
        (json!([tcp("ssh", 2202)]), false, &[]),
        (json!([tcp("ssh", 2202)]), true, &["$.ports[0].port"]),
        (json!([tcp("shell", 2202)]), true, &["$.ports[0].port"]),
        (json!([tcp("ssh", 22)]), true, &["$.ports[0].name"]),
        (json!([web(), tcp("db", 80)]), false, &["$.ports[1].port"]),
        (json!([web(), tcp("web", 81)]), false, &["$.ports[1].name"]),
        (json!([web(), web(), web()]), false, &["$.ports[1].port", "$.ports[2].port"]),
        (json!([{}]), false, &["$.ports[0].name", "$.ports[0].port", "$.ports[0].proto"]),
        (json!([80]), false, &["$.ports[0]"]),
        (json!({ "web": 80 }), false, &["$.ports"]),
    ] {
        check(&json!({ "ports": ports, "ssh": ssh }), expected);
    }
    let text = image(&json!({ "ports": [tcp("ssh", 22), tcp("shell", 2202)], "ssh": true }));
    check_text(
        &text,
        &[
            ("$.ports[0].name", "port name `ssh` is reserved by `ssh`"),
            ("$.ports[1].port", "port 2202 is reserved by `ssh`"),
        ],
    );
}

#[test]
fn published_ports_of_an_image() {
    let no_port = "`ports` has no port `wbe`, did you mean `web`?";
    let twice = "the port is given a number twice";
    let taken = "the number 1 is given to another port, too";
    let form = "`80` is not of the form `PORT:NUMBER`, as in `8080:18080`";
    for (publish, ssh, expected) in [
        (json!([]), false, &[][..]),
        (json!(["80:0", "db:0"]), false, &[]),
        (json!(["web:80", "5432:18080"]), false, &[]),
        (json!(["ssh:2222"]), true, &[]),
        (json!(["2202:2222"]), true, &[]),
        (json!(["ssh:2222"]), false, &[("$.publish[0]", "`ports` has no port `ssh`")]),
        (json!(["wbe:1"]), false, &[("$.publish[0]", no_port)]),
        (json!(["81:0"]), false, &[("$.publish[0]", "`ports` has no port `81`")]),
        (json!(["80:0", "web:0"]), false, &[("$.publish[1]", twice)]),
        (json!(["ssh:0", "2202:0"]), true, &[("$.publish[1]", twice)]),
        (json!(["web:1", "db:1"]), false, &[("$.publish[1]", taken)]),
        (json!(["80", "db:0"]), false, &[("$.publish[0]", form)]),
        (json!([80]), false, &[("$.publish[0]", "expected a text, this is a number")]),
        (json!("80:0"), false, &[("$.publish", "expected a list, this is a text")]),
    ] {
        let ports = [web(), tcp("db", 5432)];
        let fields = json!({ "ports": ports, "publish": publish, "ssh": ssh });
        check_text(&image(&fields), expected);
    }
    check(&json!({ "publish": ["web:0"] }), &["$.publish[0]"]);
}

/// The ports of a job are not known here, so only what cannot be right for any job is refused.
#[test]
fn published_ports_of_a_job() {
    let job = |publish: &Value, ssh: bool| {
        json!({ "job": "train", "publish": publish, "ssh": ssh }).to_string()
    };
    let twice = [("$.publish[1]", "the port is given a number twice")];
    check_text(&job(&json!(["web:0", "8080:18080", "ssh:22", "2202:0"]), false), &[]);
    check_text(&job(&json!(["web:0", "web:1"]), false), &twice);
    check_text(&job(&json!(["8080:0", "8080:0"]), false), &twice);
    check_text(&job(&json!(["ssh:0", "2202:0"]), true), &twice);
    let taken = [("$.publish[1]", "the number 9 is given to another port, too")];
    check_text(&job(&json!(["web:9", "8080:9"]), false), &taken);
}

/// The name of a port with a mistake is not known, so references to it are not reported.
#[test]
fn one_mistake_is_reported_once() {
    let ports = json!([{ "name": "Web", "port": 80, "proto": "http" }]);
    let fields = json!({ "ports": ports, "publish": ["80:0"], "streaming": { "port": "web" } });
    check(&fields, &["$.ports[0].name"]);
    check(&json!({ "ports": 80, "publish": ["80:0"] }), &["$.ports"]);
}

#[test]
fn who_may_log_in() {
    let key = "ssh-ed25519 AAAA me";
    for (ssh, expected) in [
        (json!(null), None),
        (json!(false), None),
        (json!(true), Some((0, false))),
        (json!({}), Some((0, false))),
        (json!({ "public_keys": null, "keep_alive": null }), Some((0, false))),
        (json!({ "public_keys": [], "keep_alive": true }), Some((0, true))),
        (json!({ "public_keys": [key, format!("# two\n{key}\n{key}\n")] }), Some((2, false))),
    ] {
        let spec = JobSpec::from_json(&image(&json!({ "ssh": ssh }))).unwrap();
        let found = spec.ssh.map(|ssh| (ssh.public_keys.len(), ssh.keep_alive));
        assert_eq!(found, expected, "{ssh}");
    }
    for (ssh, expected) in [
        (json!("yes"), &["$.ssh"][..]),
        (json!([key]), &["$.ssh"]),
        (json!({ "public_keys": key }), &["$.ssh.public_keys"]),
        (json!({ "public_key": [key] }), &["$.ssh.public_key"]),
        (json!({ "keep_alive": 1 }), &["$.ssh.keep_alive"]),
        (
            json!({ "public_keys": ["", key, 1, "a\0", " \n"] }),
            &[
                "$.ssh.public_keys[2]",
                "$.ssh.public_keys[0]",
                "$.ssh.public_keys[3]",
                "$.ssh.public_keys[4]",
            ],
        ),
    ] {
        check(&json!({ "ssh": ssh }), expected);
    }
}

#[test]
fn a_private_key_is_refused_and_not_repeated() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk";
    let access = SshAccess { public_keys: vec![key.to_owned()], keep_alive: false };
    let by_builder = JobSpec::builder(JobName::new("train").unwrap()).ssh(access.clone()).build();
    let by_json = JobSpec::from_json(&image(&json!({ "ssh": { "public_keys": [key] } })));
    for errors in [by_builder.unwrap_err(), by_json.unwrap_err()] {
        let message = errors.to_string();
        assert!(
            message.starts_with("$.ssh.public_keys[0]: the text is a private key"),
            "{message}"
        );
        assert!(!message.contains("b3Blb"), "{message}");
    }
    // Nothing checks a spec that is put together by hand; still the key is not shown.
    let alone = JobSpec::job(JobName::new("train").unwrap(), Json::null());
    let shown = JobSpec { ssh: Some(access), ..alone }.without_secrets();
    assert!(!shown.ssh.unwrap().public_keys.iter().any(|key| rule::has_private_key(key)));
}

#[test]
fn the_port_that_streams() {
    let udp = json!({ "name": "game", "port": 81, "proto": "udp" });
    for (streaming, expected) in [
        (json!({}), &[][..]),
        (json!({ "port": "web" }), &[]),
        (json!({ "port": null, "client_certificate": "PEM" }), &[]),
        (json!({ "port": "wbe" }), &["$.streaming.port"]),
        (json!({ "port": "game" }), &["$.streaming.port"]),
        (json!({ "port": "ssh" }), &["$.streaming.port"]),
        (json!({ "port": 80 }), &["$.streaming.port"]),
        (json!({ "port": "" }), &["$.streaming.port"]),
        (
            json!({ "port": "wbe", "client_certificate": "" }),
            &["$.streaming.client_certificate", "$.streaming.port"],
        ),
    ] {
        let ports = [web(), udp.clone()];
        check(&json!({ "ports": ports, "ssh": true, "streaming": streaming }), expected);
    }
    check(&json!({ "streaming": { "port": "web" } }), &["$.streaming.port"]);
    check_text(r#"{"job": "serve", "streaming": {"port": "whatever"}}"#, &[]);
}

#[test]
fn the_builder_refuses_it_too() {
    let alpine = || JobSpec::builder(ImageName::new("alpine").unwrap());
    let port = |name: &'static str, number| Port::for_image(name, number, Protocol::Tcp).unwrap();
    let streaming = |port| Streaming { client_certificate: None, port: Some(port) };
    let keys = |key: &str| SshAccess { public_keys: vec![key.to_owned()], keep_alive: false };
    for (builder, path) in [
        (alpine().port(port("a", 1)).port(port("b", 1)), "$.ports[1].port"),
        (alpine().ssh(SshAccess::default()).port(port("ssh", 1)), "$.ports[0].name"),
        (alpine().port(port("a", 1)).publish("b:0".parse().unwrap()), "$.publish[0]"),
        (alpine().streaming(streaming(PortName::new("web").unwrap())), "$.streaming.port"),
        (alpine().ssh(keys("")), "$.ssh.public_keys[0]"),
    ] {
        let errors = builder.build().unwrap_err().problems;
        assert_eq!(errors.into_iter().map(|error| error.path).collect::<Vec<_>>(), [path]);
    }
    let spec = alpine().port(port("a", 1)).publish("a:0".parse().unwrap()).build().unwrap();
    assert_eq!(spec.publish.len(), 1);
    assert!(matches!(spec.work, Work::Image { ports, .. } if ports == [port("a", 1)]));
}

/// Whatever a run began with, its record is read: nothing of this is judged again.
#[test]
fn a_record_is_not_judged() {
    let ports = vec![
        Port::for_image("ssh", 2202, Protocol::Tcp).unwrap(),
        Port::for_image("ssh", 2202, Protocol::Udp).unwrap(),
    ];
    let mut spec = JobSpec::image(ImageName::new("alpine").unwrap(), Vec::new());
    if let Work::Image { ports: all, .. } = &mut spec.work {
        *all = ports;
    }
    spec.publish = vec!["web:1".parse().unwrap(), "web:1".parse().unwrap()];
    spec.ssh = Some(SshAccess { public_keys: vec![String::new()], keep_alive: true });
    spec.streaming =
        Some(Streaming { client_certificate: None, port: Some(PortName::new("x").unwrap()) });
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    assert_eq!(problems(&text).len(), 7);
}

#[test]
fn very_many_ports_take_no_time() {
    let ports = (1..=65_535).map(|number| tcp(&format!("p{number}"), number));
    let publish = (1..=65_535).map(|number| json!(format!("p{number}:{number}")));
    let (ports, publish): (Vec<_>, Vec<_>) = (ports.collect(), publish.collect());
    check(&json!({ "ports": ports, "publish": publish }), &[]);
    let wrong: Vec<_> = publish[..2_000].iter().map(|_| json!("x:0")).collect();
    let problems = problems(&image(&json!({ "ports": ports, "publish": wrong })));
    assert_eq!(problems.len(), 2_000);
}
