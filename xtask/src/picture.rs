//! `cargo xtask picture`: the picture of a terminal in `README.md`, recorded from a real run.
//!
//! The section of `README.md` about a job of one's own is followed. Its last commands are run in a terminal, and what
//! that shows becomes an SVG.

use std::fs;
use std::process::Command;

use anstyle_svg::Term;
use anyhow::{Context as _, Result, ensure};

use crate::command::{root, run, shown};
use crate::readme::{self, Newcomer};

/// Where the picture is.
const PICTURE: &str = "docs/images/run.svg";

/// What removes the line of a progress bar, so that the next text replaces it.
const LINE_AGAIN: &str = "\r\u{1b}[2K";

/// Records the picture.
pub(crate) fn record() -> Result<()> {
    run(&mut readme::fetch())?;
    let mut newcomer = Newcomer::begin()?;
    let blocks = readme::blocks()?;
    let (last, before) = blocks.split_last().context("nothing is shown")?;
    before.iter().try_for_each(|block| newcomer.follow(block))?;
    // What is compiled is not part of the picture.
    run(&mut newcomer.shell("cargo build"))?;
    let mut screen = String::new();
    for line in last.text.lines() {
        let shown = shown_on_screen(&output(&mut in_terminal(&newcomer, line))?);
        screen.extend(["\u{1b}[1m$ ", line, "\u{1b}[0m\n", shown.trim_end(), "\n"]);
    }
    // Names of this machine say nothing to others.
    let target = newcomer.target.display().to_string();
    let screen = screen.replace(&target, "target");
    let screen = screen.replace(&newcomer.here.display().to_string(), "~/hello");
    let path = root().join(PICTURE);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, Term::new().render_svg(&screen)).context(PICTURE)?;
    eprintln!("\nrecorded `{PICTURE}`");
    Ok(())
}

/// The command with a terminal as its output: `script` of util-linux has one.
fn in_terminal(newcomer: &Newcomer, line: &str) -> Command {
    let mut command = newcomer.shell("script -qec \"stty cols 100; $LINE\" /dev/null");
    command.env("LINE", line).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command.output().with_context(|| format!("failed to start `{line}`"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "`{line}` failed with {}: {text}", output.status);
    Ok(text)
}

/// What stands on the screen at the end.
fn shown_on_screen(written: &str) -> String {
    let last = |line: &str| line.rsplit(LINE_AGAIN).next().unwrap_or_default().to_owned() + "\n";
    written.replace("\r\n", "\n").lines().map(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_replaced() {
        let written =
            "bar 1 \r\u{1b}[2Kone\r\nbar 1\r\u{1b}[2Kbar 2\r\u{1b}[2K\u{1b}[1mtwo\u{1b}[0m\r\n";
        assert_eq!(shown_on_screen(written), "one\n\u{1b}[1mtwo\u{1b}[0m\n");
    }
}
