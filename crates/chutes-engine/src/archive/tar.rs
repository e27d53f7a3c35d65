//! The parts of the format tar that files of containers need: folders are written, and one file is read.

use bytes::Bytes;

use super::OpenedFolder;

/// The size of a block. Headers are one block long, and contents are filled up to whole blocks.
const BLOCK: usize = 512;

/// The longest header extension that is read, in bytes.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// An archive of folders that every user may list and change.
pub(super) fn folders(folders: &[OpenedFolder]) -> Vec<u8> {
    let mut archive = Vec::new();
    for OpenedFolder { path, modified } in folders {
        let name = [path.as_slice(), b"/"].concat();
        if name.len() > NAME.len() {
            // GNU's form for a long name: it is the content of an entry before the other one.
            let length = name.len() as u64 + 1;
            archive.extend(header(b"././@LongLink", 0o644, length, 0, b'L'));
            archive.extend(&name);
            archive.push(0);
            archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        }
        archive.extend(header(&name, 0o777, 0, *modified, b'5'));
    }
    // The end are two empty blocks.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;

/// A header. The entry belongs to the root of the container.
fn header(name: &[u8], mode: u64, size: u64, modified: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let shown = name.len().min(NAME.len());
    block[..shown].copy_from_slice(&name[..shown]);
    let mut octal = |range: std::ops::Range<usize>, value: u64| {
        let width = range.len() - 1;
        // A number that has no room is cut off: none here is so large.
        let digits = format!("{value:0width$o}");
        block[range.start..range.end - 1]
            .copy_from_slice(&digits.as_bytes()[digits.len() - width..]);
    };
    octal(100..108, mode);
    octal(108..116, 0);
    octal(116..124, 0);
    octal(SIZE, size);
    octal(136..148, modified);
    block[CHECKSUM].fill(b' ');
    block[KIND] = kind;
    block[257..265].copy_from_slice(b"ustar  \0");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Reads the first regular file of an archive that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct FirstFile {
    /// What was received and not used: less than a header, or the beginning of an extension.
    held: Vec<u8>,
    state: State,
    /// The size that an extension has given, for a file whose header has no room for it.
    extended: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// A header comes next.
    #[default]
    Header,
    /// So much of an extension is left, with what fills it up.
    Extension { size: u64, has_records: bool },
    /// So much of the content is left.
    Content(u64),
}

impl FirstFile {
    /// Whether the whole content was read.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Content(0)
    }

    /// The content in the next piece of the archive.
    pub(super) fn content(&mut self, piece: &[u8]) -> Result<Bytes, String> {
        if let State::Content(left) = &mut self.state {
            return Ok(part(piece, left));
        }
        self.held.extend_from_slice(piece);
        loop {
            match self.state {
                State::Header => {
                    let Some((block, _)) = self.held.split_first_chunk::<BLOCK>() else { break };
                    self.state = self.after(&block.clone())?;
                    self.held.drain(..BLOCK);
                }
                State::Extension { size, has_records } => {
                    let whole = usize::try_from(size.next_multiple_of(BLOCK as u64));
                    let whole = whole.map_err(|error| error.to_string())?;
                    let Some(text) = self.held.get(..whole) else { break };
                    let size = usize::try_from(size).map_err(|error| error.to_string())?;
                    if has_records {
                        self.extended = size_in(&text[..size]).or(self.extended);
                    }
                    self.held.drain(..whole);
                    self.state = State::Header;
                }
                State::Content(ref mut left) => {
                    let held = std::mem::take(&mut self.held);
                    return Ok(part(&held, left));
                }
            }
        }
        Ok(Bytes::new())
    }

    /// The state after a header.
    fn after(&self, block: &[u8; BLOCK]) -> Result<State, String> {
        let size = number(&block[SIZE]).ok_or("the engine sends no archive")?;
        match block[KIND] {
            b'0' | 0 => Ok(State::Content(self.extended.unwrap_or(size))),
            kind @ (b'x' | b'g' | b'L' | b'K') if size <= MAX_EXTENSION => {
                Ok(State::Extension { size, has_records: kind == b'x' })
            }
            _ => Err("it is not a regular file".to_owned()),
        }
    }
}

/// The beginning of a piece that belongs to the content.
fn part(piece: &[u8], left: &mut u64) -> Bytes {
    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
    *left -= most as u64;
    Bytes::copy_from_slice(&piece[..most])
}

/// A number in octal digits, or in binary for one that is too large for them.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest
            .iter()
            .try_fold(0_u64, |sum, byte| sum.checked_mul(256).map(|sum| sum + u64::from(*byte)));
    }
    let text = str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    u64::from_str_radix(text, 8).ok()
}

/// The size in an extension, whose records are like `20 size=12345678901` and a line feed. The first number is the
/// length of the record: a name in another record may hold any bytes.
fn size_in(mut text: &[u8]) -> Option<u64> {
    loop {
        let space = text.iter().position(|byte| *byte == b' ')?;
        let length: usize = str::from_utf8(&text[..space]).ok()?.parse().ok()?;
        let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
        if let Some(size) = record.strip_prefix(b"size=") {
            return str::from_utf8(size).ok()?.parse().ok();
        }
        text = &text[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of an archive, in pieces of this size.
    fn read(archive: &[u8], piece: usize) -> Result<(Vec<u8>, bool), String> {
        let (mut first, mut content) = (FirstFile::default(), Vec::new());
        for piece in archive.chunks(piece) {
            content.extend(first.content(piece)?);
        }
        Ok((content, first.is_complete()))
    }

    fn filled(header: &[u8; BLOCK], content: &[u8]) -> Vec<u8> {
        let mut entry = [header, content].concat();
        entry.resize(entry.len().next_multiple_of(BLOCK), 0);
        entry
    }

    #[test]
    fn one_file() {
        let content = b"x".repeat(700);
        let file = filled(&header(b"f", 0o600, 700, 7, b'0'), &content);
        let name = b"9 size=5\n".repeat(20);
        let long = filled(&header(b"././@LongLink", 0, 180, 0, b'L'), &name);
        let extension = b"25 path=a\n9 size=5/f b/c\n12 size=700\n";
        let extended = filled(&header(b"pax", 0, extension.len() as u64, 0, b'x'), extension);
        let without_size = filled(&header(b"f", 0o600, 0, 7, b'0'), &content);
        for archive in [
            file.clone(),
            [long, file.clone()].concat(),
            [extended, without_size].concat(),
            [file.clone(), folders(&[])].concat(),
        ] {
            for piece in [1, 511, 512, 513, 100_000] {
                assert_eq!(read(&archive, piece), Ok((content.clone(), true)), "{piece}");
            }
        }
        assert_eq!(read(&file[..1000], 100).map(|(_, complete)| complete), Ok(false));
        assert_eq!(read(&[], 1), Ok((Vec::new(), false)));
        let empty = header(b"f", 0o600, 0, 7, b'0');
        assert_eq!(read(&empty, 512), Ok((Vec::new(), true)));
    }

    #[test]
    fn what_is_not_one_file() {
        for kind in [b'5', b'2', b'1', b'3'] {
            let error = read(&header(b"f", 0o600, 0, 7, kind), 512).unwrap_err();
            assert_eq!(error, "it is not a regular file");
        }
        assert!(read(&[b'x'; BLOCK], 512).is_err());
        let endless = header(b"pax", 0, MAX_EXTENSION + 1, 0, b'x');
        assert!(read(&endless, 512).is_err());
    }

    #[test]
    fn large_numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b" 644 \0"), Some(0o644));
        let mut binary = [0; 12];
        (binary[0], binary[7], binary[11]) = (0x80, 2, 1);
        assert_eq!(number(&binary), Some((2 << 32) + 1));
        assert_eq!((number(&[0xff; 12]), number(b"x")), (None, None));
    }

    /// The program `tar` reads what was written.
    #[test]
    fn folders_as_tar_sees_them() {
        let long = vec![b'l'; 150];
        let written = folders(&[
            OpenedFolder { path: b"a/b".to_vec(), modified: 1_000_000_000 },
            OpenedFolder { path: long.clone(), modified: 0 },
        ]);
        let mut tar = std::process::Command::new("tar");
        tar.args(["--utc", "--numeric-owner", "-tvf", "-"]).stdin(std::process::Stdio::piped());
        let mut child = tar.stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &written).unwrap();
        let listed = child.wait_with_output().unwrap();
        assert!(listed.status.success());
        let listed = String::from_utf8(listed.stdout).unwrap();
        let long = String::from_utf8(long).unwrap();
        let lines: Vec<&str> = listed.lines().collect();
        assert!(
            lines[0].starts_with("drwxrwxrwx 0/0") && lines[0].ends_with("2001-09-09 01:46 a/b/"),
            "{listed}"
        );
        assert!(lines[1].ends_with(&format!(" {long}/")) && lines.len() == 2, "{listed}");
    }
}
