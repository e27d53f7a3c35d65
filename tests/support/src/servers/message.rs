//! The parts of HTTP/1.1 messages that the servers for tests read and write alike, and scripted acts.

use std::sync::Mutex;

/// The head of a request.
pub(super) struct Head {
    /// The first line.
    pub(super) line: String,
    /// The names in lowercase, in the order in which they came.
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    /// Takes a head off the front of what has come; `None` as long as its end has not come.
    pub(super) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head: Vec<u8> = buffer.drain(..end + 4).take(end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Some(Self { headers: headers.collect(), line })
    }

    /// The method and the target of the first line.
    pub(super) fn method_and_target(&self) -> (String, String) {
        let mut words = self.line.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }
}

/// The head of an answer, for a body of this length. `headers` are lines, each with its end.
pub(super) fn answer_head(status: u16, headers: &str, length: usize) -> String {
    let length =
        if status == 304 { String::new() } else { format!("Content-Length: {length}\r\n") };
    format!("HTTP/1.1 {status} Status\r\n{length}{headers}\r\n")
}

/// Decides on requests by acts in this order. The last act is for all further requests, too.
pub(super) fn in_order<R, A: Clone>(acts: Vec<A>) -> impl Fn(&R) -> A {
    let acts = Mutex::new(acts);
    move |_| {
        let mut acts = acts.lock().unwrap();
        if acts.len() > 1 { acts.remove(0) } else { acts[0].clone() }
    }
}
