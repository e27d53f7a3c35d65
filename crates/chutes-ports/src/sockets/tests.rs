use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

/// An address as 32-bit words of native byte order.
fn words(bytes: &[u8]) -> String {
    let word = |four: &[u8]| u32::from_ne_bytes(four.try_into().unwrap());
    let words: Vec<String> =
        bytes.chunks_exact(4).map(|four| format!("{:08X}", word(four))).collect();
    words.concat()
}

fn line(ip: &[u8], port: u16, state: &str) -> String {
    format!(
        "   0: {}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        \
         0 4242 1 0000000000000000 100 0 0 10 0",
        words(ip)
    )
}

#[test]
fn lines() {
    let check = |line: &str, transport, expected: Option<&str>| {
        let found = Socket::parse(line, transport);
        let open = found.filter(|it| it.is_open);
        assert_eq!(open.map(|it| it.local.to_string()).as_deref(), expected, "{line}");
        assert!(found.is_none_or(|it| it.inode == 4242 && it.transport == transport));
    };
    let (own, mut mapped) = ([127, 0, 0, 1], [0; 16]);
    check(&line(&own, 8080, "0A"), Transport::Tcp, Some("127.0.0.1:8080"));
    check(&line(&[0; 4], 80, "0A"), Transport::Tcp, Some("0.0.0.0:80"));
    check(&line(&[0; 16], 80, "0A"), Transport::Tcp, Some("[::]:80"));
    check(&line(&own, 9, "07"), Transport::Udp, Some("127.0.0.1:9"));
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&own);
    check(&line(&mapped, 80, "0A"), Transport::Tcp, Some("127.0.0.1:80"));
    // Connected, and closed.
    check(&line(&own, 8080, "01"), Transport::Tcp, None);
    check(&line(&own, 8080, "07"), Transport::Tcp, None);
    check(&line(&own, 8080, "01"), Transport::Udp, None);
    check(&line(&own, 0, "07"), Transport::Udp, None);
    let connected = Socket::parse(&line(&own, 8080, "01"), Transport::Udp).unwrap();
    assert_eq!((connected.is_open, connected.local.port()), (false, 8080));
    assert_eq!(Socket::parse(&line(&own, 0, "07"), Transport::Udp), None);
    let right = line(&own, 8080, "0A");
    for (from, to) in [("1F90", "11F90"), (":1F90", ""), ("4242", "-1"), ("0A", "10A"), ("7", "€")]
    {
        check(&right.replace(from, to), Transport::Tcp, None);
    }
    let headline =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
    for text in ["", " ", headline, &right[..40]] {
        check(text, Transport::Tcp, None);
    }
}

#[test]
fn addresses_that_a_socket_serves() {
    let check = |local: &str, at: &str, expected| {
        let local = local.parse().unwrap();
        let socket = Socket { transport: Transport::Tcp, local, is_open: true, inode: 1 };
        assert_eq!(socket.serves(at.parse().unwrap()), expected, "{local} {at}");
    };
    check("127.0.0.1:80", "127.0.0.1:80", true);
    check("127.0.0.1:80", "127.0.0.1:81", false);
    check("127.0.0.1:80", "127.0.0.2:80", false);
    check("127.0.0.1:80", "0.0.0.0:80", false);
    check("0.0.0.0:80", "127.0.0.1:80", true);
    check("0.0.0.0:80", "[::1]:80", false);
    check("[::]:80", "127.0.0.1:80", true);
    check("[::]:80", "0.0.0.0:80", true);
    check("[::1]:80", "127.0.0.1:80", false);
}

#[test]
fn descriptors() {
    for (link, expected) in [
        ("socket:[17]", Some(17)),
        ("socket:[]", None),
        ("socket:[-1]", None),
        ("pipe:[17]", None),
        ("/socket:[17]", None),
        ("socket:[17] (deleted)", None),
    ] {
        assert_eq!(inode(link), expected, "{link}");
    }
}

#[test]
fn ranges() {
    for (text, expected) in [
        ("32768\t60999\n", Some(32_768..=60_999)),
        ("1 65535", Some(1..=65_535)),
        ("1 65536", None),
        ("1", None),
        ("", None),
    ] {
        assert_eq!(range(text), expected, "{text}");
    }
}

#[test]
fn own_sockets_are_found() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sockets = sockets(Path::new("/proc/self/net"), &|it| it.is_open).unwrap();
    let own: Vec<u64> = socket_inodes(rustix::process::getpid()).collect();
    let own_name = format!("(process {})", std::process::id());
    for (transport, address) in
        [(Transport::Tcp, tcp.local_addr().unwrap()), (Transport::Udp, udp.local_addr().unwrap())]
    {
        let mut same = sockets.iter().filter(|it| it.local == address && it.transport == transport);
        assert!(own.contains(&same.next().unwrap().inode));
        assert!(program_at(address, transport).unwrap().ends_with(&own_name));
    }
    let address = tcp.local_addr().unwrap();
    drop(tcp);
    assert_eq!(program_at(address, Transport::Tcp), None);
}

/// A program with this as its standard output.
fn check_numbers(stdout: impl Into<OwnedFd>, expected: bool) {
    let mut program = Command::new("cat");
    let program = program.stdin(Stdio::piped()).stdout(stdout.into()).stderr(Stdio::null());
    let mut program = program.spawn().unwrap();
    let (pid, mut without) = (Pid::from_child(&program), HashSet::new());
    // The second time it is known.
    for _ in 0..2 {
        assert_eq!(may_have_numbers(pid, &mut without), expected);
    }
    drop(program.stdin.take());
    program.wait().unwrap();
    assert!(!may_have_numbers(pid, &mut without), "it has ended");
}

#[test]
fn sockets_that_may_have_a_number() {
    check_numbers(UnixStream::pair().unwrap().0, false);
    check_numbers(UnixDatagram::pair().unwrap().0, false);
    check_numbers(std::io::pipe().unwrap().1, false);
    check_numbers(TcpListener::bind("127.0.0.1:0").unwrap(), true);
    check_numbers(UdpSocket::bind("127.0.0.1:0").unwrap(), true);
}

#[test]
fn a_table_without_an_end_is_cut_off() {
    let text = format!("{}\n", line(&[127, 0, 0, 1], 80, "0A"));
    let mut sockets = Vec::new();
    let endless = io::Read::chain(text.as_bytes(), io::repeat(b' '));
    read_table(endless, Transport::Tcp, &|_| true, &mut sockets).unwrap();
    assert_eq!(sockets.len(), 1);
}

proptest! {
    #[test]
    fn any_text_is_parsed(text: String, parts in "[ 0-9A-F:]{0,200}") {
        for text in [text, parts] {
            let _ = (Socket::parse(&text, Transport::Tcp), Socket::parse(&text, Transport::Udp));
            let _ = (address(&text), inode(&text), range(&text));
        }
    }

    #[test]
    fn any_address_is_read(ip: [u8; 4], port in 1u16.., long: [u8; 16]) {
        let read = Socket::parse(&line(&ip, port, "0A"), Transport::Tcp).unwrap();
        prop_assert_eq!(read.local, SocketAddr::from((ip, port)));
        let read = Socket::parse(&line(&long, port, "0A"), Transport::Tcp).unwrap();
        prop_assert_eq!(read.local.ip(), Ipv6Addr::from(long).to_canonical());
    }
}
