//! Zip files that are part of a spec.

use std::fs::File;
use std::io::{self, Read, Seek};

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use chutes_core::InlineZip;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::VolumeError;

/// Larger zip files belong to a server. This one is in memory, as is the spec.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The zip file as a file without a name, at its beginning. White space in the base64 is ignored.
pub(crate) fn decode_inline(zip: &InlineZip) -> Result<File, VolumeError> {
    decode(zip.as_base64(), MAX_BYTES)
}

pub(super) fn decode(base64: &str, max_bytes: u64) -> Result<File, VolumeError> {
    // In memory, so that nothing is left behind, whatever happens.
    let file = memfd_create("inline.zip", MemfdFlags::CLOEXEC);
    let mut file = File::from(file.map_err(|error| of_memory(&error.into()))?);
    let decoder = DecoderReader::new(Digits { rest: base64.as_bytes() }, &STANDARD);
    let copied = io::copy(&mut decoder.take(max_bytes.saturating_add(1)), &mut file);
    let bytes = copied.map_err(|error| match error.raw_os_error() {
        Some(_) => of_memory(&error),
        None => VolumeError::download_failed(format!(
            "the contents of an inline volume are not base64 (standard, with padding): {error}"
        )),
    })?;
    if bytes > max_bytes {
        return Err(VolumeError::download_failed(format!(
            "the contents of an inline volume are more than {max_bytes} bytes: put the zip file on a \
             server, as a volume of type `zip_url`"
        )));
    }
    file.rewind().map_err(|error| of_memory(&error))?;
    Ok(file)
}

fn of_memory(error: &io::Error) -> VolumeError {
    VolumeError::platform(format!("there is no memory for an inline volume: {error}"))
}

/// A text without its white space.
struct Digits<'a> {
    rest: &'a [u8],
}

impl Read for Digits<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            let Some((&byte, rest)) = self.rest.split_first() else { break };
            self.rest = rest;
            if !byte.is_ascii_whitespace() {
                buffer[read] = byte;
                read += 1;
            }
        }
        Ok(read)
    }
}
