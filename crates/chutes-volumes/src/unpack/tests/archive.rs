//! Zip files: honest ones by the crate, all others byte by byte.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A member as its records have it. What is said of it need not be true.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) bytes: u32,
    pub(super) packed_bytes: u32,
    pub(super) crc: u32,
    pub(super) mode: u32,
    pub(super) system: u8,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// Another member that it says that it is, by its place in the list.
    pub(super) is_at: Option<usize>,
}

impl Raw {
    pub(super) fn file(name: &str, content: &[u8]) -> Self {
        let bytes = u32::try_from(content.len()).unwrap();
        Self {
            name: name.as_bytes().to_vec(),
            content: content.to_vec(),
            bytes,
            packed_bytes: bytes,
            crc: crc32(content),
            mode: 0,
            system: 3,
            method: 0,
            flags: 0x800,
            is_at: None,
        }
    }

    pub(super) fn folder(name: &str) -> Self {
        Self { mode: 0o40_755, ..Self::file(name, b"") }
    }
}

/// A zip file of these members.
pub(super) fn zip(members: &[Raw]) -> Vec<u8> {
    build(members, false)
}

/// The same with the records of large archives.
pub(super) fn zip64(members: &[Raw]) -> Vec<u8> {
    build(members, true)
}

fn build(members: &[Raw], is_64: bool) -> Vec<u8> {
    let (mut zip, mut places) = (Vec::new(), Vec::new());
    for member in members {
        places.push(u32::try_from(zip.len()).unwrap());
        zip.extend(b"PK\x03\x04\x14\x00");
        common(member, &mut zip);
        zip.extend(&member.name);
        zip.extend(&member.content);
    }
    let directory = zip.len() as u64;
    for (index, member) in members.iter().enumerate() {
        zip.extend(b"PK\x01\x02\x14");
        zip.extend([member.system, 0x14, 0]);
        common(member, &mut zip);
        zip.extend([0; 6]);
        zip.extend((member.mode << 16).to_le_bytes());
        zip.extend(places[member.is_at.unwrap_or(index)].to_le_bytes());
        zip.extend(&member.name);
    }
    end(members.len() as u64, directory, is_64, &mut zip);
    zip
}

/// What the records of a member have in common.
fn common(member: &Raw, zip: &mut Vec<u8>) {
    zip.extend(member.flags.to_le_bytes());
    zip.extend(member.method.to_le_bytes());
    zip.extend(b"\x00\x00\x21\x00");
    for number in [member.crc, member.packed_bytes, member.bytes] {
        zip.extend(number.to_le_bytes());
    }
    zip.extend(u16::try_from(member.name.len()).unwrap().to_le_bytes());
    zip.extend([0; 2]);
}

fn end(members: u64, directory: u64, is_64: bool, zip: &mut Vec<u8>) {
    let end = zip.len() as u64;
    if is_64 {
        zip.extend(b"PK\x06\x06");
        zip.extend(44_u64.to_le_bytes());
        zip.extend(b"\x2d\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        for number in [members, members, end - directory, directory] {
            zip.extend(number.to_le_bytes());
        }
        zip.extend(b"PK\x06\x07\x00\x00\x00\x00");
        zip.extend(end.to_le_bytes());
        zip.extend(1_u32.to_le_bytes());
        zip.extend(b"PK\x05\x06\x00\x00\x00\x00");
        zip.extend([0xff; 12]);
    } else {
        zip.extend(b"PK\x05\x06\x00\x00\x00\x00");
        let members = u16::try_from(members).unwrap().to_le_bytes();
        zip.extend([members, members].concat());
        zip.extend(u32::try_from(end - directory).unwrap().to_le_bytes());
        zip.extend(u32::try_from(directory).unwrap().to_le_bytes());
    }
    zip.extend([0; 2]);
}

fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

/// A compressed zip file of these names, modes and contents.
pub(super) fn by_crate(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in members {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        if name.ends_with('/') {
            zip.add_directory(*name, options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}
