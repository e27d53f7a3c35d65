//! What a container may not do, and what it has to be able to do.

use std::os::unix::fs::symlink;

use chutes::manifest::FileState;
use chutes_test_support::containers::image;
use chutes_test_support::record::{collected, not_collected};
use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::stage::{Stage, inline, shell, with};

/// Runs a script, and returns what it prints.
#[track_caller]
fn printed(script: &str, more: serde_json::Value) -> String {
    let stage = Stage::new();
    stage.complete(&with(shell(script), more));
    stage.text("logs/stdout.log")
}

#[test]
fn inputs_cannot_be_changed() {
    let stage = Stage::new();
    let script = "for f in a b; do (echo changed > /volume/$f) 2>/dev/null && echo wrote $f; done; \
        rm -f /volume/a 2>/dev/null && echo removed; cat /volume/a";
    let volumes = json!({"input_volumes": {"/volume": inline(&[("a", b"1")])}});
    stage.complete(&with(shell(script), volumes));
    assert_eq!(stage.text("logs/stdout.log"), "1");
    assert_eq!(stage.text("inputs/a"), "1");
    assert!(!stage.path("inputs/b").exists());
}

#[test]
fn no_network() {
    assert_eq!(printed("ls /sys/class/net", json!({})), "lo\n");
}

#[test]
fn no_capabilities_and_no_way_to_get_any() {
    let status = printed("cat /proc/self/status", json!({}));
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value(set), "0000000000000000", "{set}");
    }
    assert_eq!(value("NoNewPrivs"), "1");
    assert_eq!(value("Seccomp"), "2");
}

#[test]
fn nothing_of_the_machine_is_seen() {
    let script = "ls /dev; ps -o pid,args; cat /proc/1/cmdline";
    // The engine's own first process has its name in it.
    let seen = printed(script, json!({})).replace("podman-init", "init");
    assert!(!seen.contains("vda") && !seen.contains("kmsg"), "{seen}");
    assert!(!seen.contains("podman") && !seen.contains("chutes"), "{seen}");
}

/// Podman copies the names and addresses that the machine knows, and the container gets a file of its own instead.
#[test]
fn names_of_the_machine_are_not_seen() {
    let script =
        "cat /etc/hosts; (echo changed >> /etc/hosts) 2> /dev/null || echo unchanged; hostname";
    let seen = printed(script, json!({}));
    let name = seen.lines().last().unwrap();
    assert!(name.starts_with("run-"), "{seen}");
    let expected = format!("127.0.0.1 localhost {name}\n::1 localhost {name}\nunchanged\n{name}\n");
    assert_eq!(seen, expected);
}

/// A process that starts others without end stays below its limit.
#[test]
fn number_of_processes() {
    let script = "i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i + 1)); done 2>/dev/null; \
        echo $i; wait";
    let stage = Stage::new();
    let more = json!({"resources": {"processes": 32}, "limits": {"execute": "20s"}});
    let ended = stage.run(&with(shell(script), more));
    assert_ne!(ended.finished.code, Some(0), "{ended:#?}");
    assert!(!stage.text("logs/stdout.log").contains("200"));
}

#[test]
fn shared_memory_is_as_large_as_asked_for() {
    let more = json!({"resources": {"shared_memory": "96MiB"}});
    let seen = printed("df -m /dev/shm | tail -n 1", more);
    assert!(seen.split_whitespace().any(|word| word == "96"), "{seen}");
}

/// Engines may set higher limits than the machine allows, so a run does not rely on their configuration.
#[test]
fn limits_of_a_process_are_what_this_machine_allows() {
    let stage = Stage::with_plain_engine();
    let ended = stage.complete(&shell("grep 'Max open files' /proc/self/limits"));
    let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(65_536);
    let limits = stage.text("logs/stdout.log");
    assert_eq!(limits.split_whitespace().nth(3), Some(&*allowed.to_string()), "{limits}");
    assert_eq!(ended.finished.warnings(), [""; 0]);
}

#[test]
fn class_sets_the_limits() {
    let limit = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes \
        2>/dev/null || true";
    let seen = printed(limit, json!({"executor_class": "always_on.test"}));
    assert_eq!(seen.trim(), (4_u64 << 30).to_string());
}

/// Neither user is root, so the directory has to belong to the user.
#[test]
fn user_of_the_image_can_write() {
    let stage = Stage::new();
    let script = "id -u; cat /volume/a; mkdir /output/d; echo 1 > /output/d/a; echo 2 > /results/b";
    let spec = json!({
        "image": image::USER,
        "args": ["sh", "-ec", script],
        "artifacts_dir": "/results",
        "input_volumes": {"/volume": inline(&[("a", b"readable\n")])},
    });
    let ended = stage.complete(&spec);
    assert_eq!(stage.text("logs/stdout.log"), "1000\nreadable\n");
    assert_eq!(collected(&ended.outcome), ["d/a"]);
    assert_eq!(ended.outcome.artifacts.len(), 1);
}

/// Files that only their owner may read are collected, too.
#[test]
fn files_that_are_closed_to_others() {
    let stage = Stage::new();
    let script = "umask 077; mkdir /output/d; echo 1 > /output/d/a; chmod 0 /output/d/a";
    let ended = stage.complete(&json!({"image": image::USER, "args": ["sh", "-ec", script]}));
    if rustix::process::geteuid().is_root() {
        assert_eq!(collected(&ended.outcome), ["d/a"]);
    }
}

/// The target of a link is not collected.
#[test]
fn links_out_of_the_outputs_are_not_followed() {
    let stage = Stage::new();
    let secret = stage.sandbox.path("secret");
    std::fs::write(&secret, "of the machine").unwrap();
    let script = format!(
        "ln -s {0} /output/file; ln -s / /output/root; ln -s ../../secret /output/up; \
         mkfifo /output/pipe; echo 1 > /output/real; ln -s {0} /results/link",
        secret.display()
    );
    let ended = stage.complete(&with(shell(&script), json!({"artifacts_dir": "/results"})));
    assert_eq!(collected(&ended.outcome), ["real"]);
    let skipped: Vec<_> = not_collected(&ended.outcome).into_iter().map(|(path, _)| path).collect();
    assert_eq!(skipped, ["file", "pipe", "root", "up"]);
    let is_collected = |state: &FileState| matches!(state, FileState::Collected { .. });
    assert!(!ended.outcome.artifacts.iter().any(|file| is_collected(&file.state)));
}

/// A directory of the run that is a link before the run begins is no directory of the run.
#[test]
fn directory_of_the_run_is_no_link() {
    let stage = Stage::new();
    std::fs::create_dir(stage.sandbox.path("elsewhere")).unwrap();
    std::fs::create_dir(stage.sandbox.path("run")).unwrap();
    symlink(stage.sandbox.path("elsewhere"), stage.path("outputs")).unwrap();
    let finished = stage.start(&shell("echo 1 > /output/a")).finish();
    assert_ne!(finished.code, Some(0), "{finished:#?}");
    assert!(!stage.sandbox.path("elsewhere/a").exists());
}
