//! Copying the output of an `exec`: two streams in frames, or the plain output of a terminal.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest number of bytes that is copied at a time.
const CHUNK: usize = 32 * 1024;

/// Copies the output of a terminal until it ends or the receiver is gone.
pub async fn copy_plain(
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    copy(&mut input, &mut output, u64::MAX, &mut chunk).await
}

/// Copies two streams. The header of a frame is one byte with the stream, three unused bytes, and four
/// bytes with the length.
pub async fn copy_frames(
    mut input: impl AsyncRead + Unpin,
    mut stdout: impl AsyncWrite + Unpin,
    mut stderr: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut header = [0; 8];
        match input.read_exact(&mut header).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let [stream, _, _, _, length @ ..] = header;
        let length = u64::from(u32::from_be_bytes(length));
        match stream {
            0 | 1 => copy(&mut input, &mut stdout, length, &mut chunk).await?,
            2 => copy(&mut input, &mut stderr, length, &mut chunk).await?,
            _ => return Err(io::Error::other("the engine sends output of no stream")),
        }
    }
}

async fn copy(
    input: &mut (impl AsyncRead + Unpin),
    output: &mut (impl AsyncWrite + Unpin),
    mut length: u64,
    chunk: &mut [u8],
) -> io::Result<()> {
    while length > 0 {
        let most = usize::try_from(length).unwrap_or(usize::MAX).min(chunk.len());
        let count = input.read(&mut chunk[..most]).await?;
        if count == 0 {
            break;
        }
        output.write_all(&chunk[..count]).await?;
        length -= count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(input: &[u8], expected: Result<(&str, &str), ()>) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let ended = copy_frames(input, &mut stdout, &mut stderr).await.map_err(|_| ());
        let found = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        let expected = expected.map(|(stdout, stderr)| (stdout.to_owned(), stderr.to_owned()));
        assert_eq!(ended.map(|()| found), expected, "{input:?}");
    }

    #[tokio::test]
    async fn frames() {
        let out = b"\x01\0\0\0\0\0\0\x02ab";
        let err = b"\x02\0\0\0\0\0\0\x01c";
        check(b"", Ok(("", ""))).await;
        check(&[&out[..], err, out].concat(), Ok(("abab", "c"))).await;
        check(&out[..9], Ok(("a", ""))).await;
        check(b"\x03\0\0\0\0\0\0\x01c", Err(())).await;
        // The buffer does not grow with the length in a frame.
        check(b"\x01\0\0\0\xff\xff\xff\xffab", Ok(("ab", ""))).await;
    }

    #[tokio::test]
    async fn terminals_send_any_byte() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut output = Vec::new();
        copy_plain(&bytes[..], &mut output).await.unwrap();
        assert_eq!(output, bytes);
    }
}
