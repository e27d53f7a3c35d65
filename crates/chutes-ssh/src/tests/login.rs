//! Which keys may log in, and how the server identifies itself.

use std::process::Command;
use std::time::Duration;

use chutes_core::RunEvent;

use crate::limits::SshLimits;
use crate::testing::{Fixture, FixtureOptions, finish, key_pair, public_key};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_can_log_in_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")];
    let pairs = kinds.map(|(kind, bits)| key_pair(folder.path(), kind, bits));
    let more_keys = pairs.iter().map(|pair| public_key(pair)).collect();
    let fixture = Fixture::with(FixtureOptions { more_keys, ..FixtureOptions::default() });
    for pair in pairs.iter().chain([&fixture.key]) {
        let mut client = fixture.client_with_key(pair);
        client.args(["-l", "anybody", "echo", "hello"]);
        let finished = finish(client).await;
        assert_eq!((finished.code, &*finished.stdout), (Some(0), "hello\n"), "{finished:?}");

        let listing = Command::new("ssh-keygen").arg("-lf").arg(pair).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        let fingerprint = listing.split(' ').nth(1).unwrap();
        let (user, from) = fixture
            .log
            .find(|event| match event {
                RunEvent::SshLogin { peer, user, key } if key == fingerprint => {
                    Some((user.clone(), *peer))
                }
                _ => None,
            })
            .await;
        assert_eq!(user, "job");
        let is_logout = |event: &RunEvent| {
            matches!(event, RunEvent::SshLogout { peer } if *peer == from).then_some(())
        };
        fixture.log.find(is_logout).await;
    }
    let refused = |event: &RunEvent| matches!(event, RunEvent::SshRefused { .. });
    assert!(!fixture.log.all().iter().any(refused));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_key_can_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = key_pair(folder.path(), "ed25519", "256");
    let fixture = Fixture::new();
    let mut client = fixture.client_with_key(&wrong);
    client.arg("touch").arg(folder.path().join("was-here"));
    let finished = finish(client).await;
    assert_eq!(finished.code, Some(255));
    assert!(finished.stderr.contains("Permission denied (publickey)"), "{finished:?}");
    assert!(!folder.path().join("was-here").exists());
    let reason = fixture.log.refusal().await;
    assert!(
        reason.starts_with("the key SHA256:") && reason.ends_with("may not log in"),
        "{reason}"
    );
    let login = |event: &RunEvent| matches!(event, RunEvent::SshLogin { .. });
    assert!(!fixture.log.all().iter().any(login));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_public_keys_and_modern_algorithms_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = key_pair(folder.path(), "rsa", "2048");
    let more_keys = vec![public_key(&rsa)];
    let fixture = Fixture::with(FixtureOptions { more_keys, ..FixtureOptions::default() });
    for (options, expected) in [
        (&["-o", "PreferredAuthentications=password"][..], "Permission denied (publickey)"),
        (&["-o", "PreferredAuthentications=keyboard-interactive"], "Permission denied (publickey)"),
        (&["-o", "KexAlgorithms=diffie-hellman-group14-sha1"], "no matching key exchange"),
        (&["-o", "Ciphers=aes128-cbc"], "no matching cipher"),
        (&["-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha1"], "no matching MAC"),
        (&["-o", "HostKeyAlgorithms=ssh-rsa"], "no matching host key type"),
        (&["-o", "PubkeyAcceptedAlgorithms=ssh-rsa"], "Permission denied (publickey)"),
    ] {
        let mut client = fixture.client_with_key(&rsa);
        client.args(options).arg("true");
        let finished = finish(client).await;
        assert_eq!(finished.code, Some(255), "{options:?} {finished:?}");
        assert!(finished.stderr.contains(expected), "{options:?} {finished:?}");
    }
    for options in [
        &["-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha2-256-etm@openssh.com"][..],
        &["-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha2-512"],
        &["-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha2-256"],
        &["-o", "Ciphers=aes128-gcm@openssh.com", "-o", "KexAlgorithms=ecdh-sha2-nistp256"],
        &["-o", "Ciphers=chacha20-poly1305@openssh.com", "-C"],
        &["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256"],
    ] {
        let mut client = fixture.client_with_key(&rsa);
        client.args(options).arg("echo hello");
        let finished = finish(client).await;
        assert_eq!(finished.stdout, "hello\n", "{options:?} {finished:?}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_matches_the_host_key() {
    let fixture = Fixture::new();
    let endpoint = fixture.server.endpoint();
    let port = endpoint.address.port().to_string();
    let scan = tokio::process::Command::new("ssh-keyscan")
        .args(["-T", "20", "-p", &port, "127.0.0.1"])
        .output()
        .await
        .unwrap();
    let scanned = String::from_utf8(scan.stdout).unwrap();
    assert_eq!(scanned.trim_end(), endpoint.known_hosts);
    let file = fixture.folder.path().join("scanned");
    std::fs::write(&file, scanned).unwrap();
    let listing = Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert_eq!(listing.split(' ').nth(1), Some(&*endpoint.fingerprint));
    assert_eq!(endpoint.command, format!("ssh -p {port} job@127.0.0.1"));
    assert_ne!(Fixture::new().server.endpoint().fingerprint, endpoint.fingerprint);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_keys_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SshLimits { attempts: 2, ..SshLimits::default() };
    let fixture = Fixture::with(FixtureOptions { limits, ..FixtureOptions::default() });
    let kinds = [("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")];
    let mut client = fixture.client_with_key(&key_pair(folder.path(), "ed25519", "256"));
    for (kind, bits) in kinds {
        client.arg("-i").arg(key_pair(folder.path(), kind, bits));
    }
    let finished = finish(client).await;
    assert!(finished.stderr.contains("Too many authentication attempts"), "{finished:?}");
    let reason = fixture.log.refusal().await;
    assert!(reason.starts_with("none of 2 keys may log in"), "{reason}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logged_in_connections_are_counted() {
    let fixture = Fixture::new();
    let mut open = fixture.server.open_sessions();
    assert_eq!(*open.borrow(), 0);
    let mut client = fixture.client();
    client.stdin(std::process::Stdio::piped()).arg("cat");
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let soon = Duration::from_mins(1);
    tokio::time::timeout(soon, open.wait_for(|open| *open == 1)).await.unwrap().unwrap();
    drop(client.stdin.take());
    tokio::time::timeout(soon, open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    assert!(client.wait().await.unwrap().success());
    fixture.stop().await;
}
