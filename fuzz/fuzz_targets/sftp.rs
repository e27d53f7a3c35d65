//! The requests of an SFTP client.

#![no_main]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("chutes-fuzz-sftp-{}", std::process::id()));
    for name in ["input", "output"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("secret"), "not to be reached").unwrap();
    fs::write(folder.join("input/file"), "read-only").unwrap();
    // The way out that a job may have laid.
    let _ = std::os::unix::fs::symlink("../secret", folder.join("output/l"));
    folder
});

static MOUNTS: LazyLock<[OsString; 2]> = LazyLock::new(|| {
    let of = |name: &str, end: &str| format!("/{name}={}{end}", FOLDER.join(name).display());
    [of("input", ":ro").into(), of("output", "").into()]
});

fuzz_target!(|requests: &[u8]| {
    // Requests that cannot be read end the session.
    let _ = chutes_ssh::sftp::fuzz(requests, &*MOUNTS);
    let secret = fs::read(FOLDER.join("secret")).unwrap();
    assert_eq!(secret, b"not to be reached", "a client has left its folders");
    assert_eq!(fs::read(FOLDER.join("input/file")).unwrap(), b"read-only");
});
