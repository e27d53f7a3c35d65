//! Unpacking: the members of a zip file, below a directory.
//!
//! Nothing of the archive is trusted. All names are checked before the first file is written
//! (`member`, `spelling`, `names`), what comes out is counted while it is inflated (`meter`), and files are made
//! part by part below the directory, never through a link (`write`).

mod inline;
mod member;
mod meter;
pub(super) mod names;
mod source;
mod spelling;
mod write;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use chutes_core::InlineZip;
use zip::ZipArchive;
use zip::read::{Config, ZipFile};
use zip::result::ZipError;

pub(crate) use self::inline::decode_inline;
use self::member::{Kind, Member, shown};
use self::meter::Meter;
use self::names::Names;
use self::source::Source;
use self::write::{WriteError, make_file, make_folder};
use super::VolumeError;

/// How much is read, checked and written at a time.
const CHUNK_BYTES: usize = 128 * 1024;

/// How much may come out of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// The content of all files together. Default 64 GiB.
    pub bytes: u64,
    /// The number of files and folders, with those that only lead to others. Default 100,000.
    pub entries: u64,
    /// How many times the size of the archive may come out of it. Default 500: deflate reaches 1,032 with nothing
    /// but zeros, text and tables stay below 50.
    pub ratio: u64,
    /// Up to here the ratio is not checked: so much fits everywhere. Default 1 GiB.
    pub ratio_from: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self { bytes: 64 * GIB, entries: 100_000, ratio: 500, ratio_from: GIB }
    }
}

/// Unpacks a zip file below a directory, over what is there, and returns how many bytes of content it
/// has written. It blocks, and it ends soon with an error when `stop` becomes true.
///
/// When it fails, some files may be there. Nothing outside of the directory is ever touched.
pub(crate) fn unpack(
    archive: File,
    into: &Dir,
    limits: &UnpackLimits,
    stop: &AtomicBool,
) -> Result<u64, VolumeError> {
    let unpacked = unpack_unless_stopped(&Arc::new(archive), Some(into), limits, stop);
    // A failure after the request to stop is a consequence of it.
    unpacked.map_err(|error| if stop.load(Ordering::Relaxed) { stopped() } else { error })
}

/// Checks the zip file of an inline volume: as it is unpacked, but nothing is written.
///
/// # Errors
///
/// When it would not be unpacked, wherever it is put.
pub fn check_inline_zip(zip: &InlineZip) -> Result<(), VolumeError> {
    // What the environment says of limits is judged where volumes are fetched.
    let limits = UnpackLimits::from_environment().unwrap_or_default();
    let archive = Arc::new(decode_inline(zip)?);
    unpack_unless_stopped(&archive, None, &limits, &AtomicBool::new(false)).map(drop)
}

fn stopped() -> VolumeError {
    VolumeError::download_failed("the zip file was not unpacked to its end: it was stopped")
}

/// Without a directory everything is read, and nothing is written.
fn unpack_unless_stopped(
    archive: &Arc<File>,
    into: Option<&Dir>,
    limits: &UnpackLimits,
    stop: &AtomicBool,
) -> Result<u64, VolumeError> {
    let budget = Cell::new(source::directory_bytes(limits));
    let source = Source::new(Arc::clone(archive), stop, &budget)?;
    let mut meter = Meter::new(limits, source.length());
    source.refuse_many_members(limits.entries)?;
    let mut zip = ZipArchive::with_config(Config::default(), source).map_err(not_a_zip)?;
    budget.set(u64::MAX);
    let members = members(&zip, archive, &mut meter)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    for member in &members {
        if stop.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let Some(mut place) = place(member, into)? else { continue };
        let content = zip.by_index(member.index);
        let mut content = content.map_err(|error| of_zip(member.path.as_str(), error))?;
        copy(member, &mut content, &mut *place, &mut meter, &mut buffer)?;
    }
    Ok(meter.unpacked())
}

/// Makes a member, and returns what its content is written to; nothing for a folder.
fn place(member: &Member, into: Option<&Dir>) -> Result<Option<Box<dyn Write>>, VolumeError> {
    let failed = |error| of_place(member.path.as_str(), error);
    match (member.kind, into) {
        (Kind::Folder, Some(into)) => {
            make_folder(into, &member.path).map_err(failed)?;
            Ok(None)
        }
        (Kind::Folder, None) => Ok(None),
        (Kind::File { is_executable }, Some(into)) => {
            let file = make_file(into, &member.path, is_executable).map_err(failed)?;
            Ok(Some(Box::new(file)))
        }
        (Kind::File { .. }, None) => Ok(Some(Box::new(io::sink()))),
    }
}

/// All members, checked, in the order of the archive.
fn members(
    zip: &ZipArchive<Source<'_>>,
    archive: &File,
    meter: &mut Meter<'_>,
) -> Result<Vec<Member>, VolumeError> {
    let mut names = Names::new(meter.limits().entries);
    let mut members = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index).map_err(not_a_zip)?;
        let Some(member) = Member::read(index, &entry)? else { continue };
        names.add(&member.path, member.kind == Kind::Folder).map_err(|conflict| {
            VolumeError::download_failed(format!("{} in the zip file {conflict}", member.shown()))
        })?;
        meter.announce(&member)?;
        members.push(member);
    }
    // The list has only the last of several members of one name, in the place of the first. Nothing is lost
    // of a folder.
    if zip.has_duplicate_names()
        && let Some(name) = source::repeated_file(zip, archive)
    {
        let what = format!("{} is twice in the zip file", shown(&name));
        return Err(VolumeError::download_failed(what));
    }
    Ok(members)
}

fn copy(
    member: &Member,
    content: &mut ZipFile<'_, Source<'_>>,
    file: &mut dyn Write,
    meter: &mut Meter<'_>,
    buffer: &mut [u8],
) -> Result<(), VolumeError> {
    let mut bytes = 0;
    loop {
        let read = match content.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(of_zip(member.path.as_str(), error.into())),
        };
        bytes += read as u64;
        meter.count(member, read as u64)?;
        file.write_all(&buffer[..read]).map_err(|error| {
            let name = member.shown();
            VolumeError::platform(format!("{name} cannot be written: {error}"))
        })?;
    }
    if bytes == member.bytes {
        return Ok(());
    }
    let (name, announced) = (member.shown(), member.bytes);
    let what = format!("has {bytes} bytes, but {announced} are announced");
    Err(VolumeError::download_failed(format!("{name} in the zip file {what}: pack it again")))
}

fn not_a_zip(error: ZipError) -> VolumeError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => {
            VolumeError::platform(format!("the zip file cannot be read: {error}"))
        }
        error => VolumeError::download_failed(format!("not a whole zip file: {}", problem(&error))),
    }
}

fn of_zip(name: &str, error: ZipError) -> VolumeError {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => {
            VolumeError::platform(format!("the zip file cannot be read: {error}"))
        }
        error => {
            let (name, problem) = (shown(name.as_bytes()), problem(&error));
            VolumeError::download_failed(format!("{name} in the zip file is damaged: {problem}"))
        }
    }
}

/// What is wrong, in lower case as all messages of chutes.
fn problem(error: &ZipError) -> String {
    let text = match error {
        ZipError::InvalidArchive(problem) => problem.to_string(),
        ZipError::UnsupportedArchive(problem) => (*problem).to_owned(),
        ZipError::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    let mut letters = text.chars();
    let first = letters.next().map(char::to_lowercase);
    first.into_iter().flatten().chain(letters).collect()
}

fn of_place(name: &str, error: WriteError) -> VolumeError {
    let name = shown(name.as_bytes());
    match error {
        WriteError::InTheWay(what) => {
            let what = format!("{what} is in its way: put the volume into another place");
            VolumeError::download_failed(format!(
                "{name} of the zip file cannot be written: {what}"
            ))
        }
        WriteError::Failed(error) => {
            VolumeError::platform(format!("{name} cannot be written: {error}"))
        }
    }
}
