//! The end of a command that has not read all of its input.
//!
//! What such a command has printed last would be lost: the engine's connection to a process breaks when the process ends
//! while input for it is under way, and output that is under way breaks with it. So a shell waits for the
//! command, reports its end on standard error with a text that occurs nowhere else, and reads what is left of
//! the input. The report is not shown to the client; after it, no input is passed on.

use std::hash::{BuildHasher, RandomState};
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::sync::oneshot;

/// The size of the buffer of standard error, in bytes.
const CHUNK: usize = 32 * 1024;

/// Runs a command (`$2` and more), reports its end with `$1`, and reads the rest of the input.
///
/// Signals to the session are for the command; after a hang-up nothing is waited for. What the shell itself has to say, for
/// instance about a signal that has ended the command, is not shown.
const SCRIPT: &str = r#"trap 'gone=1' HUP
trap : INT QUIT TERM USR1 USR2 ALRM PIPE
report=$1
shift
exec 3>&2 2>/dev/null
(exec "$@" 2>&3 3>&-)
status=$?
printf %s "$report" >&3
exec >/dev/null 3>&-
[ "$gone" ] || cat || [ "$gone" ] || while read -r line; do :; done
exit $status"#;

/// The report of the end of one command.
#[derive(Debug)]
pub(super) struct EndReport(String);

impl EndReport {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().hash_one(());
        Self(format!("\u{1e}{:016x}{:016x}\u{1e}", random(), random()))
    }

    /// The command line that runs a command and reports its end.
    pub(super) fn command(&self, command: Vec<String>) -> Vec<String> {
        let shell = ["/bin/sh", "-c", SCRIPT, "sh", &self.0].map(str::to_owned);
        shell.into_iter().chain(command).collect()
    }

    /// Copies standard error, but not the report.
    pub(super) async fn copy_without(
        self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        has_ended: oneshot::Sender<()>,
    ) -> io::Result<()> {
        let report = self.0.as_bytes();
        let mut has_ended = Some(has_ended);
        let mut held = Vec::with_capacity(CHUNK);
        loop {
            let count = from.read_buf(&mut held).await?;
            if let Some(at) = held.windows(report.len()).position(|bytes| bytes == report) {
                held.drain(at..at + report.len());
                // The receiver is gone when the client is.
                let _ = has_ended.take().map(|sender| sender.send(()));
            }
            let kept = if count == 0 { 0 } else { beginning(&held, report) };
            to.write_all(&held[..held.len() - kept]).await?;
            held.drain(..held.len() - kept);
            if count == 0 {
                return to.shutdown().await;
            }
        }
    }
}

/// How many bytes at the end of a text may be the beginning of the report.
fn beginning(text: &[u8], report: &[u8]) -> usize {
    let most = text.len().min(report.len() - 1);
    (1..=most).rev().find(|length| text.ends_with(&report[..*length])).unwrap_or_default()
}

/// Passes input on until its end, or until the command has ended.
pub(super) async fn pass_input(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    has_ended: oneshot::Receiver<()>,
) {
    let ended = async {
        if has_ended.await.is_err() {
            // The output has ended without a report: the end of the input follows from it.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = copy(&mut from, &mut to) => {}
        () = ended => {}
    }
    // The process may be gone already.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each text, in the pieces in which it comes, with what is shown of it.
    #[tokio::test]
    async fn the_report_is_not_shown() {
        let check = async |pieces: &[&str], expected: &str, ends: bool| {
            let (mut sender, from) = tokio::io::duplex(64);
            let (to, mut shown) = tokio::io::duplex(1024);
            let (has_ended, mut ended) = oneshot::channel();
            let copying =
                tokio::spawn(EndReport("<end>".to_owned()).copy_without(from, to, has_ended));
            for piece in pieces {
                sender.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(sender);
            let mut text = String::new();
            shown.read_to_string(&mut text).await.unwrap();
            copying.await.unwrap().unwrap();
            assert_eq!((text.as_str(), ended.try_recv().is_ok()), (expected, ends), "{pieces:?}");
        };
        check(&[], "", false).await;
        check(&["a", "b"], "ab", false).await;
        check(&["a<end>"], "a", true).await;
        check(&["a<e", "nd", ">b"], "ab", true).await;
        check(&["a<e", "nd"], "a<end", false).await;
        check(&["<<en", "d>>"], "<>", true).await;
        check(&["<e<end>"], "<e", true).await;
    }

    #[test]
    fn reports_differ() {
        assert_ne!(EndReport::new().0, EndReport::new().0);
    }
}
