//! Reading collected files that are as they were, and files that are not.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chutes_core::{FileKind, OutputPath};
use chutes_transfer::TransferError;

use sha2::{Digest, Sha256};

use super::*;

/// A file of this content, collected as `path`.
pub(crate) fn source(path: &[u8], content: &[u8]) -> SourceFile {
    changed_source(FileKind::Output, path, content, content)
}

/// A file that had one content when it was collected and has another one now.
pub(crate) fn changed_source(
    kind: FileKind,
    path: &[u8],
    collected: &[u8],
    now: &[u8],
) -> SourceFile {
    let now = now.to_vec();
    let open = move |_: FileKind, _: &OutputPath| {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile()?;
        file.write_all(&now)?;
        file.rewind()?;
        Ok(file)
    };
    SourceFile {
        kind,
        path: OutputPath::new(path).unwrap(),
        bytes: collected.len() as u64,
        fingerprint: None,
        sha256: Sha256Digest::from_bytes(Sha256::digest(collected).into()),
        open: Arc::new(open),
        sent: Arc::new(AtomicU64::new(0)),
    }
}

/// All pieces of a file, as long as it could be read.
async fn pieces(source: &SourceFile, size: usize) -> (Vec<Bytes>, Result<(), TransferError>) {
    let (mut pieces, mut reading) = (Vec::new(), Some(Reading::begin(source, size)));
    while let Some(next) = reading {
        match next.piece().await {
            Ok((piece, rest)) => {
                pieces.push(piece);
                reading = rest.map(|rest| Reading::next(rest, size));
            }
            Err(error) => return (pieces, Err(error)),
        }
    }
    (pieces, Ok(()))
}

#[tokio::test]
async fn whole_files() {
    for (content, expected) in [
        ("", &[""][..]),
        ("abc", &["abc"]),
        ("abcd", &["abcd"]),
        ("abcde", &["abcd", "e"]),
        ("abcdefgh", &["abcd", "efgh"]),
    ] {
        let (pieces, result) = pieces(&source(b"a", content.as_bytes()), 4).await;
        assert_eq!(pieces, expected);
        assert_eq!(result, Ok(()));
    }
}

#[tokio::test]
async fn the_last_piece_of_a_changed_file_is_never_handed_out() {
    for (collected, now, expected) in [
        ("", "a", 0),
        ("abcd", "abc", 0),
        ("abcd", "abcde", 0),
        ("abcd", "abcx", 0),
        ("abcdefgh", "Abcdefgh", 1),
        ("abcdefgh", "abcdefg", 1),
        ("abcdefgh", "abcdefghi", 1),
        ("abcdefgh", "", 0),
    ] {
        let file = changed_source(FileKind::Output, b"a", collected.as_bytes(), now.as_bytes());
        let (pieces, result) = pieces(&file, 4).await;
        assert_eq!(pieces.len(), expected, "{collected} {now}");
        assert_eq!(result, Err(changed()));
    }
}

#[tokio::test]
async fn files_that_cannot_be_opened() {
    for (error, is_transient) in [
        (io::Error::from(ErrorKind::NotFound), false),
        (io::Error::from(ErrorKind::PermissionDenied), false),
        (rustix::io::Errno::LOOP.into(), false),
        (rustix::io::Errno::MFILE.into(), true),
        (rustix::io::Errno::IO.into(), true),
    ] {
        let message = format!("it cannot be read: {error}");
        let code = error.raw_os_error();
        let kind = error.kind();
        let mut file = source(b"a", b"");
        file.open = Arc::new(move |_, _| {
            Err(code.map_or_else(|| kind.into(), io::Error::from_raw_os_error))
        });
        let (_, result) = pieces(&file, 4).await;
        assert_eq!(
            result,
            Err(TransferError { is_transient, ..TransferError::permanent(message) })
        );
    }
}
