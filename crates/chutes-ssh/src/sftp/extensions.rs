//! Extended requests, which OpenSSH and other clients use.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use russh_sftp::extensions::{LimitsExtension, Statvfs};
use russh_sftp::protocol::{ExtendedReply, Packet, StatusCode};
use russh_sftp::{de, ser};
use rustix::fs::{StatVfs, StatVfsMountFlags, fstatvfs};
use serde::{Deserialize, Serialize};

use super::handler::Session;
use super::reply::{RequestError, status_reply};
use super::tree::Access;
use super::{MAX_DATA_BYTES, MAX_HANDLES, MAX_PACKET_BYTES};

/// Two paths.
#[derive(Deserialize)]
struct Paths {
    from: String,
    to: String,
}

/// A path or a handle.
#[derive(Deserialize)]
struct Argument {
    text: String,
}

/// The supported extensions, with their versions.
pub(super) fn supported_extensions() -> HashMap<String, String> {
    let known = [
        ("posix-rename@openssh.com", "1"),
        ("hardlink@openssh.com", "1"),
        ("fsync@openssh.com", "1"),
        ("statvfs@openssh.com", "2"),
        ("fstatvfs@openssh.com", "2"),
        ("limits@openssh.com", "1"),
    ];
    known.into_iter().map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
}

impl Session {
    pub(super) fn answer_extended(
        &mut self,
        id: u32,
        request: &str,
        data: Vec<u8>,
    ) -> Result<Packet, RequestError> {
        let mut data = Bytes::from(data);
        match request {
            "posix-rename@openssh.com" => {
                let paths: Paths = parse(&mut data)?;
                Ok(status_reply(id, self.tree.replace(&paths.from, &paths.to))?.into())
            }
            "hardlink@openssh.com" => {
                let paths: Paths = parse(&mut data)?;
                Ok(status_reply(id, self.tree.link(&paths.from, &paths.to))?.into())
            }
            "fsync@openssh.com" => {
                let Argument { text: handle } = parse(&mut data)?;
                Ok(status_reply(id, self.handles.file(&handle)?.file.sync_all())?.into())
            }
            "statvfs@openssh.com" => {
                let Argument { text: path } = parse(&mut data)?;
                let space = fstatvfs(self.tree.open_path(&path, Access::Read)?)?;
                reply(id, &statvfs_reply(&space))
            }
            "fstatvfs@openssh.com" => {
                let Argument { text: handle } = parse(&mut data)?;
                let space = fstatvfs(&self.handles.file(&handle)?.file)?;
                reply(id, &statvfs_reply(&space))
            }
            "limits@openssh.com" => reply(id, &LIMITS),
            _ => Err(RequestError::code(StatusCode::OpUnsupported)),
        }
    }
}

const LIMITS: LimitsExtension = LimitsExtension {
    max_packet_len: MAX_PACKET_BYTES as u64,
    max_read_len: MAX_DATA_BYTES as u64,
    max_write_len: MAX_DATA_BYTES as u64,
    max_open_handles: MAX_HANDLES as u64,
};

fn parse<'a, T: Deserialize<'a>>(data: &'a mut Bytes) -> Result<T, RequestError> {
    de::from_bytes(data).map_err(|_| RequestError::code(StatusCode::BadMessage))
}

fn reply(id: u32, answer: &impl Serialize) -> Result<Packet, RequestError> {
    let data =
        ser::to_bytes(answer).map_err(|error| RequestError::from(io::Error::other(error)))?;
    Ok(ExtendedReply { id, data: data.to_vec() }.into())
}

fn statvfs_reply(space: &StatVfs) -> Statvfs {
    // The numbers of the extension, which are not those of every system.
    let flag = |flag, number| if space.f_flag.contains(flag) { number } else { 0 };
    Statvfs {
        block_size: space.f_bsize,
        fragment_size: space.f_frsize,
        blocks: space.f_blocks,
        blocks_free: space.f_bfree,
        blocks_avail: space.f_bavail,
        inodes: space.f_files,
        inodes_free: space.f_ffree,
        inodes_avail: space.f_favail,
        fs_id: space.f_fsid,
        flags: flag(StatVfsMountFlags::RDONLY, 1) | flag(StatVfsMountFlags::NOSUID, 2),
        name_max: space.f_namemax,
    }
}
