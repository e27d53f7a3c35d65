//! Which texts are keys, and the errors for other texts.

use proptest::prelude::*;

use super::*;
use crate::testing::{key_pair, public_key};

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJFYZVfZb6DT79xOLLnEFx9mGTVlgTGxJRtUHrLWLVsR";

fn parse(texts: &[&str]) -> Result<usize, String> {
    let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
    match AuthorizedKeys::parse(&texts) {
        Ok(keys) => Ok(keys.map_or(0, |keys| keys.keys.len())),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn equal_keys_are_kept_once() {
    let with_comment = format!("\t {ED25519}   somebody@somewhere \u{e4} \r\n");
    let two = format!("# people\n\n{ED25519}\n  # more\n{OTHER} x y z\n");
    for (texts, expected) in [
        (&[][..], 0),
        (&[""], 0),
        (&["\n\n# none\n   \n"], 0),
        (&[ED25519], 1),
        (&[&with_comment], 1),
        (&[ED25519, &with_comment], 1),
        (&[ED25519, OTHER], 2),
        (&[&two, ED25519], 2),
    ] {
        assert_eq!(parse(texts), Ok(expected), "{texts:?}");
    }
}

#[test]
fn errors_do_not_repeat_the_text() {
    let private =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
    let options = format!("from=\"10.0.0.1\",command=\"secret\" {ED25519}");
    let second = format!("{ED25519}\nsecret");
    for (texts, expected) in [
        (&[private][..], "the SSH public key is a private key: give the public one"),
        (&[ED25519, private], "SSH public key 2 is a private key"),
        (&["b3BlbnNzaC1rZXktdjEAAAAAsecret"], "the SSH public key is a private key"),
        (&["PuTTY-User-Key-File-3: ssh-ed25519\nsecret"], "the SSH public key is a private key"),
        (&[&options], "line 1 of the SSH public key begins with options (`from`)"),
        (&[&second], "line 2 of the SSH public key is no public key"),
        (&["", &second], "line 2 of SSH public key 2 is no public key"),
        (&["~/.ssh/secret.pub"], "line 1 of the SSH public key is no public key"),
        (&["ssh-dss secret"], "line 1 of the SSH public key: DSA keys are not accepted"),
        (&["sk-ssh-ed25519@openssh.com secret"], "line 1 of the SSH public key: keys of security"),
        (
            &["ssh-ed25519-cert-v01@openssh.com secret"],
            "line 1 of the SSH public key: certificates are not accepted",
        ),
        (&["ssh-ed25519"], "line 1 of the SSH public key is damaged"),
        (&[&ED25519[..40]], "line 1 of the SSH public key is damaged"),
        (&["ssh-ed25519 secret!"], "line 1 of the SSH public key is damaged"),
        (
            &[&ED25519.replacen("ssh-ed25519", "ssh-rsa", 1)],
            "line 1 of the SSH public key is damaged",
        ),
    ] {
        let error = parse(texts).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn keys_of_openssh() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, bits, expected) in [
        ("ed25519", "256", Ok(1)),
        ("ecdsa", "256", Ok(1)),
        ("ecdsa", "384", Ok(1)),
        ("ecdsa", "521", Ok(1)),
        ("rsa", "2048", Ok(1)),
        ("rsa", "1024", Err("an RSA key of 1024 bits is too short")),
    ] {
        let path = key_pair(folder.path(), kind, bits);
        let private = std::fs::read_to_string(&path).unwrap();
        assert!(parse(&[&private]).unwrap_err().contains("is a private key"), "{kind} {bits}");
        match (parse(&[&public_key(&path)]), expected) {
            (Ok(count), Ok(expected)) => assert_eq!(count, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            other => panic!("{kind} {bits}: {other:?}"),
        }
    }
}

#[test]
fn rsa_is_not_accepted_with_sha1() {
    let folder = tempfile::tempdir().unwrap();
    let text = public_key(&key_pair(folder.path(), "rsa", "2048"));
    let keys = AuthorizedKeys::parse(std::slice::from_ref(&text)).unwrap().unwrap();
    let key = PublicKey::from_openssh(&text).unwrap();
    for (hash, expected) in
        [(Some(HashAlg::Sha256), true), (Some(HashAlg::Sha512), true), (None, false)]
    {
        assert_eq!(keys.accept(&key, &Algorithm::Rsa { hash }), expected, "{hash:?}");
    }
    let other = PublicKey::from_openssh(OTHER).unwrap();
    assert!(!keys.accept(&other, &Algorithm::Ed25519));
}

proptest! {
    #[test]
    fn any_text_is_a_key_or_an_error(text in "\\PC*|[ -~\n]{0,300}") {
        let _ = parse(&[&text]);
    }

    #[test]
    fn any_change_of_a_key_is_a_key_or_an_error(at in 0..ED25519.len(), byte in 32_u8..127) {
        let mut text = ED25519.as_bytes().to_vec();
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        // Never more than one key, and none only if the text is a comment.
        prop_assert!(matches!(parse(&[&text]), Ok(1) | Err(_)) || text.starts_with('#'));
    }
}
