//! Handles the requests of a client, one after the other.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use russh_sftp::protocol::{
    Attrs, Data, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::Handler;
use rustix::fs::{Mode, OFlags, fstat};
use tokio::sync::oneshot;

use super::MAX_DATA_BYTES;
use super::attributes::FileStat;
use super::extensions::supported_extensions;
use super::handles::{Handles, Open, OpenFile};
use super::reply::{RequestError, status_reply};
use super::tree::Tree;

/// One client, and its open files.
pub(super) struct Session {
    pub(super) tree: Tree,
    pub(super) handles: Handles,
    /// Dropped with the session, which the server waits for.
    _alive: oneshot::Sender<()>,
}

impl Session {
    pub(super) fn new(tree: Tree, alive: oneshot::Sender<()>) -> Self {
        Self { tree, handles: Handles::default(), _alive: alive }
    }

    fn open_file(&mut self, path: &str, flags: OpenFlags, mode: Option<u32>) -> io::Result<String> {
        self.handles.check_limit()?;
        let mode = Mode::from_raw_mode(mode.unwrap_or(0o666) & 0o7777);
        let opened = self.tree.open(path, system_flags(flags), mode)?;
        let (file, may_change) = (File::from(opened.file), opened.may_change);
        let appends = flags.contains(OpenFlags::APPEND);
        Ok(self.handles.add(Open::File(OpenFile { file, appends, may_change })))
    }

    fn open_folder(&mut self, path: &str) -> io::Result<String> {
        self.handles.check_limit()?;
        let listing = self.tree.list(path)?;
        Ok(self.handles.add(Open::Folder(listing)))
    }

    fn write_at(&self, handle: &str, offset: u64, data: &[u8]) -> io::Result<()> {
        let open = self.handles.file(handle)?;
        if open.appends {
            return io::Write::write_all(&mut &open.file, data);
        }
        open.file.write_all_at(data, offset)
    }

    fn read_at(&self, handle: &str, offset: u64, length: u32) -> Result<Vec<u8>, RequestError> {
        let open = self.handles.file(handle)?;
        let mut data = vec![0; length.min(MAX_DATA_BYTES) as usize];
        let count = loop {
            match open.file.read_at(&mut data, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if count == 0 && length > 0 {
            return Err(RequestError::code(StatusCode::Eof));
        }
        data.truncate(count);
        Ok(data)
    }
}

fn system_flags(flags: OpenFlags) -> OFlags {
    let has = |flag| flags.contains(flag);
    // As with OpenSSH, a file that is to be neither read nor written is read.
    let mut system = match (has(OpenFlags::READ), has(OpenFlags::WRITE)) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    for (flag, means) in [
        (OpenFlags::APPEND, OFlags::APPEND),
        (OpenFlags::CREATE, OFlags::CREATE),
        (OpenFlags::TRUNCATE, OFlags::TRUNC),
        (OpenFlags::EXCLUDE, OFlags::EXCL),
    ] {
        system.set(means, has(flag));
    }
    system
}

/// An answer with one name.
fn name(id: u32, name: String) -> Name {
    Name { id, files: vec![russh_sftp::protocol::File::dummy(name)] }
}

impl Handler for Session {
    type Error = RequestError;

    fn unimplemented(&self) -> RequestError {
        RequestError::code(StatusCode::OpUnsupported)
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, RequestError> {
        Ok(Version { extensions: supported_extensions(), ..Version::new() })
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        pflags: OpenFlags,
        attrs: FileAttributes,
    ) -> Result<Handle, RequestError> {
        Ok(Handle { id, handle: self.open_file(&filename, pflags, attrs.permissions)? })
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, RequestError> {
        status_reply(id, self.handles.close(&handle))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, RequestError> {
        Ok(Data { id, data: self.read_at(&handle, offset, len)? })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, RequestError> {
        status_reply(id, self.write_at(&handle, offset, &data))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, RequestError> {
        Ok(Attrs { id, attrs: self.tree.lstat_path(&path)?.attributes })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, RequestError> {
        let stat = fstat(&self.handles.file(&handle)?.file)?;
        Ok(Attrs { id, attrs: FileStat::of(&stat).attributes })
    }

    async fn setstat(
        &mut self,
        id: u32,
        path: String,
        attrs: FileAttributes,
    ) -> Result<Status, RequestError> {
        status_reply(id, self.tree.set(&path, &attrs))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attrs: FileAttributes,
    ) -> Result<Status, RequestError> {
        status_reply(id, self.handles.file(&handle)?.set(&attrs))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, RequestError> {
        Ok(Handle { id, handle: self.open_folder(&path)? })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, RequestError> {
        let files = self.handles.folder(&handle)?.next()?;
        if files.is_empty() {
            return Err(RequestError::code(StatusCode::Eof));
        }
        Ok(Name { id, files })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, RequestError> {
        status_reply(id, self.tree.remove_file(&filename))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        attrs: FileAttributes,
    ) -> Result<Status, RequestError> {
        status_reply(id, self.tree.make_folder(&path, attrs.permissions))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, RequestError> {
        status_reply(id, self.tree.remove_folder(&path))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, RequestError> {
        Ok(name(id, self.tree.real_path(&path)?))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, RequestError> {
        Ok(Attrs { id, attrs: self.tree.stat_path(&path)?.attributes })
    }

    async fn rename(
        &mut self,
        id: u32,
        oldpath: String,
        newpath: String,
    ) -> Result<Status, RequestError> {
        status_reply(id, self.tree.rename(&oldpath, &newpath))
    }

    async fn readlink(&mut self, id: u32, path: String) -> Result<Name, RequestError> {
        Ok(name(id, self.tree.read_link(&path)?))
    }

    /// OpenSSH sends the two paths in the other order than the specification, and other clients follow it.
    async fn symlink(
        &mut self,
        id: u32,
        linkpath: String,
        targetpath: String,
    ) -> Result<Status, RequestError> {
        let (text, at) = (linkpath, targetpath);
        status_reply(id, self.tree.make_link(&text, &at))
    }

    async fn extended(
        &mut self,
        id: u32,
        request: String,
        data: Vec<u8>,
    ) -> Result<Packet, RequestError> {
        self.answer_extended(id, &request, data)
    }
}
