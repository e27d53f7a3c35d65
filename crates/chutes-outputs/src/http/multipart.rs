//! The form that a file is part of, as `multipart/form-data`.
//!
//! `reqwest` has forms, too; here the order of the parts is ours, and names are written as browsers write
//! them, which all servers read.

use std::fmt::Write;

use bytes::Bytes;
use chutes_core::OutputPath;
use uuid::Uuid;

/// A form with one file, called `file`, and texts before and after it.
pub(crate) struct Form {
    /// The value of the header `Content-Type`.
    pub(crate) content_type: String,
    /// What is sent before the content of the file.
    pub(crate) before: Bytes,
    /// What is sent after it.
    pub(crate) after: Bytes,
}

impl Form {
    /// A form for a file of this name.
    pub(crate) fn new(
        fields_before: &[(String, String)],
        file_name: &str,
        content_type: &str,
        fields_after: &[(&str, &str)],
    ) -> Self {
        // No file contains a boundary that is made at random after the file was written.
        let boundary = format!("chutes-{}", Uuid::now_v7().simple());
        let mut before = String::new();
        for (name, value) in fields_before {
            field(&mut before, &boundary, name, value);
        }
        let name = quoted(file_name);
        // Writing to a string does not fail.
        let _ = write!(
            before,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        let mut after = String::from("\r\n");
        for (name, value) in fields_after {
            field(&mut after, &boundary, name, value);
        }
        let _ = write!(after, "--{boundary}--\r\n");
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Self { content_type, before: before.into(), after: after.into() }
    }
}

fn field(form: &mut String, boundary: &str, name: &str, value: &str) {
    let name = quoted(name);
    let _ = write!(
        form,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
    );
}

/// A name between quotes, as the HTML standard has it: nothing in it can end the header.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// The type of a file by the end of its name.
pub(crate) fn content_type(path: &OutputPath) -> &'static str {
    let name = String::from_utf8_lossy(path.file_name()).to_ascii_lowercase();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "css" => "text/css",
        "csv" => "text/csv",
        "gif" => "image/gif",
        "gz" | "tgz" => "application/gzip",
        "html" | "htm" => "text/html",
        "jpg" | "jpeg" => "image/jpeg",
        "js" => "text/javascript",
        "json" => "application/json",
        "log" | "txt" => "text/plain",
        "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "tar" => "application/x-tar",
        "wav" => "audio/x-wav",
        "webp" => "image/webp",
        "xml" => "application/xml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
