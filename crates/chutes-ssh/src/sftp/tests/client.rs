//! A client that sends one request and waits for its answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use russh_sftp::protocol::StatusCode;

use super::{Server, Tree};

pub(super) const INIT: u8 = 1;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const REALPATH: u8 = 16;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const READLINK: u8 = 19;
pub(super) const SYMLINK: u8 = 20;
pub(super) const EXTENDED: u8 = 200;

/// The fields of a request.
#[derive(Clone, Default)]
pub(super) struct Fields(pub(super) Vec<u8>);

impl Fields {
    pub(super) fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.0.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        self.0.extend(text);
        self
    }

    pub(super) fn path(self, path: impl AsRef<Path>) -> Self {
        self.text(path.as_ref().as_os_str().as_encoded_bytes())
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Status(StatusCode, String),
    Handle(String),
    Data(Vec<u8>),
    Names(Vec<Vec<u8>>),
    Attributes(Vec<u8>),
    Other(Vec<u8>),
}

pub(super) struct Client {
    server: Option<Server>,
    pub(super) stream: Option<UnixStream>,
    last: u32,
}

impl Client {
    pub(super) fn new(tree: Tree) -> Self {
        let (server, stream) = Server::start(tree);
        let mut client = Self { server: Some(server), stream: Some(stream), last: 0 };
        client.send(INIT, &Fields::default().number(3).0);
        let version = client.receive().unwrap();
        assert_eq!(version[..5], [2, 0, 0, 0, 3]);
        client
    }

    fn stream(&mut self) -> &mut UnixStream {
        self.stream.as_mut().unwrap()
    }

    pub(super) fn send(&mut self, kind: u8, fields: &[u8]) {
        let length = u32::try_from(fields.len() + 1).unwrap();
        let packet = [&length.to_be_bytes()[..], &[kind], fields].concat();
        self.stream().write_all(&packet).unwrap();
    }

    /// The next packet, without its length; `None` at the end.
    pub(super) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream().read_exact(&mut length).ok()?;
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        self.stream().read_exact(&mut packet).unwrap();
        Some(packet)
    }

    #[expect(clippy::needless_pass_by_value, reason = "fields are made for one request")]
    pub(super) fn request(&mut self, kind: u8, fields: Fields) -> Answer {
        self.last += 1;
        let id = self.last.to_be_bytes();
        self.send(kind, &[&id[..], &fields.0].concat());
        let packet = self.receive().expect("the server has gone");
        assert_eq!(packet[1..5], id, "{packet:?}");
        parse(packet[0], &packet[5..])
    }

    pub(super) fn code(&mut self, kind: u8, fields: Fields) -> StatusCode {
        match self.request(kind, fields) {
            Answer::Status(code, _) => code,
            other => panic!("{other:?}"),
        }
    }

    /// Opens a file, and fails the test if that is refused.
    pub(super) fn open(&mut self, path: impl AsRef<Path>, flags: u32) -> String {
        match self.request(OPEN, Fields::default().path(path).number(flags).number(0)) {
            Answer::Handle(handle) => handle,
            other => panic!("{other:?}"),
        }
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&mut self, path: impl AsRef<Path>) -> Vec<String> {
        let answer = self.request(OPENDIR, Fields::default().path(path));
        let Answer::Handle(handle) = answer else { panic!("{answer:?}") };
        let mut all = Vec::new();
        while let Answer::Names(names) = self.request(READDIR, Fields::default().text(&handle)) {
            all.extend(names.into_iter().map(|name| String::from_utf8(name).unwrap()));
        }
        assert_eq!(self.code(CLOSE, Fields::default().text(&handle)), StatusCode::Ok);
        all.sort();
        all
    }

    /// Closes the connection, and waits for the server to end.
    pub(super) fn close(&mut self) {
        drop(self.stream.take());
        if let Some(server) = self.server.take() {
            server.ended();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.stream.take());
    }
}

fn parse(kind: u8, mut rest: &[u8]) -> Answer {
    match kind {
        101 => {
            let code = match number(&mut rest) {
                0 => StatusCode::Ok,
                1 => StatusCode::Eof,
                2 => StatusCode::NoSuchFile,
                3 => StatusCode::PermissionDenied,
                4 => StatusCode::Failure,
                5 => StatusCode::BadMessage,
                8 => StatusCode::OpUnsupported,
                code => panic!("{code}"),
            };
            Answer::Status(code, String::from_utf8(text(&mut rest)).unwrap())
        }
        102 => Answer::Handle(String::from_utf8(text(&mut rest)).unwrap()),
        103 => Answer::Data(text(&mut rest)),
        104 => {
            let count = number(&mut rest);
            let names = (0..count).map(|_| {
                let name = text(&mut rest);
                text(&mut rest);
                assert_eq!(number(&mut rest), 15);
                rest = &rest[28..];
                name
            });
            Answer::Names(names.collect())
        }
        105 => Answer::Attributes(rest.to_vec()),
        _ => Answer::Other(rest.to_vec()),
    }
}

fn number(rest: &mut &[u8]) -> u32 {
    let (number, after) = rest.split_at(4);
    *rest = after;
    u32::from_be_bytes(number.try_into().unwrap())
}

fn text(rest: &mut &[u8]) -> Vec<u8> {
    let length = number(rest) as usize;
    let (text, after) = rest.split_at(length);
    *rest = after;
    text.to_vec()
}
