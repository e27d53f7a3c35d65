//! Commands, shown as they would be typed in the root of the repository, and run there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    root().join(target)
}

/// `cargo` with arguments that are separated by spaces.
pub(crate) fn cargo(arguments: &str) -> Command {
    program("cargo", arguments)
}

/// A program with arguments that are separated by spaces.
pub(crate) fn program(name: &str, arguments: &str) -> Command {
    let mut command = Command::new(name);
    command.args(arguments.split_whitespace()).current_dir(root());
    // `cargo run` describes this program to us; to a program that we start it would describe the
    // wrong package, and build scripts that look at it would run again.
    for (variable, _) in std::env::vars_os() {
        let bytes = variable.as_encoded_bytes();
        if bytes.starts_with(b"CARGO_PKG_") || bytes.starts_with(b"CARGO_MANIFEST_") {
            command.env_remove(variable);
        }
    }
    command
}

/// The command as it would be typed.
pub(crate) fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let set = set.map(|(name, value)| format!("{}={}", name.display(), quoted(value)));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    set.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.into_owned() }
}

/// Shows the command and runs it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    eprintln!("    $ {line}");
    let status = command.status().with_context(|| format!("failed to start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_typed() {
        let mut command = cargo("doc  --no-deps");
        command.env("RUSTDOCFLAGS", "-D warnings").arg("a b");
        assert_eq!(shown(&command), r#"RUSTDOCFLAGS="-D warnings" cargo doc --no-deps "a b""#);
    }

    #[test]
    fn failures_name_the_command() {
        let error = run(&mut program("false", "x")).unwrap_err();
        assert!(error.to_string().starts_with("`false x` failed with "), "{error}");
        let error = run(&mut program("no-such-program", "")).unwrap_err();
        assert_eq!(error.to_string(), "failed to start `no-such-program`");
    }
}
