//! Which clients can connect, and which certificates clients trust.

use proptest::prelude::*;
use rcgen::{BasicConstraints, IsCa, KeyPair};

use super::certificates::{expired, valid_in};
use super::*;

/// Whether a client can exchange data with the job.
async fn is_accepted(bench: &TestFront, client: Client<'_>) -> bool {
    let answer = async {
        let mut stream = client.connect().await?;
        stream.write_all(b"hello").await?;
        read_all(&mut stream).await
    };
    let job = async {
        let mut job = bench.accept().await;
        assert_eq!(read_exactly(&mut job, 5).await, "hello");
        job.write_all(b"welcome").await.unwrap();
    };
    soon(async {
        tokio::select! {
            answer = answer => answer.is_ok_and(|answer| answer == "welcome"),
            () = async { job.await; std::future::pending().await } => unreachable!(),
        }
    })
    .await
}

#[tokio::test]
async fn clients_are_known_by_their_keys() {
    let (mine, other) = (ClientCertificate::like_sdk(), ClientCertificate::like_sdk());
    let key = KeyPair::generate().unwrap();
    let root = ClientCertificate::authority(&key);
    let member = ClientCertificate::signed_by(&key);
    let stranger = ClientCertificate::signed_by(&KeyPair::generate().unwrap());
    let late = ClientCertificate::make(&key, expired);
    let late_root = ClientCertificate::make(&key, |parameters| {
        expired(parameters);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let early = ClientCertificate::make(&key, valid_in(Duration::from_mins(2)));
    let too_early = ClientCertificate::make(&key, valid_in(Duration::from_mins(10)));
    let both = format!("this is mine\n{}\nand this too\n{}", mine.pem, root.pem);
    let check = async |given: Option<&str>,
                       presents: Option<&ClientCertificate>,
                       expected: bool,
                       what: &str| {
        let bench = TestFront::new(given, FrontLimits::default()).await;
        for versions in [&[&TLS13][..], &[&TLS12][..]] {
            let client = Client { presents, versions, ..Client::of(&bench.front.endpoint()) };
            let version = versions[0].version;
            assert_eq!(is_accepted(&bench, client).await, expected, "{what}, {version:?}");
        }
    };
    check(None, None, true, "no client authentication").await;
    check(None, Some(&mine), true, "no client authentication, but a certificate").await;
    check(Some(&mine.pem), Some(&mine), true, "the certificate that was given").await;
    check(Some(&mine.pem), None, false, "none").await;
    check(Some(&mine.pem), Some(&other), false, "another of the same subject").await;
    check(Some(&both), Some(&mine), true, "the first of two").await;
    check(Some(&both), Some(&root), true, "the second of two").await;
    check(Some(&root.pem), Some(&root), true, "that of an authority, as OpenSSL makes it").await;
    check(Some(&root.pem), Some(&member), true, "signed by that of an authority").await;
    check(Some(&root.pem), Some(&stranger), false, "signed by another authority").await;
    check(Some(&late.pem), Some(&late), false, "an expired one").await;
    check(Some(&early.pem), Some(&early), true, "of a clock that is ahead").await;
    check(Some(&too_early.pem), Some(&too_early), false, "not valid yet").await;
    check(Some(&late_root.pem), Some(&late_root), false, "an expired one of an authority").await;
}

/// A certificate is public: the client has to have its key.
#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let (key, another) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    for mine in [ClientCertificate::make(&key, |_| ()), ClientCertificate::authority(&key)] {
        let bench = TestFront::new(Some(&mine.pem), FrontLimits::default()).await;
        let forged = ClientCertificate { key: another.serialize_der(), ..mine };
        for versions in [&[&TLS13][..], &[&TLS12][..]] {
            let presents = Some(&forged);
            let client = Client { presents, versions, ..Client::of(&bench.front.endpoint()) };
            assert!(!is_accepted(&bench, client).await);
        }
    }
}

#[tokio::test]
async fn clients_trust_the_names_of_the_certificate_only() {
    let bench = TestFront::open_to_all().await;
    let endpoint = bench.front.endpoint();
    let check = async |name: &str, trusts: &str, expected: bool| {
        let client = Client { name, trusts: trusts.to_owned(), ..Client::of(&endpoint) };
        assert_eq!(soon(client.connect()).await.is_ok(), expected, "{name}");
    };
    check("run.example", &endpoint.certificate, true).await;
    check("localhost", &endpoint.certificate, true).await;
    check("127.0.0.1", &endpoint.certificate, true).await;
    check("other.example", &endpoint.certificate, false).await;
    check("127.0.0.2", &endpoint.certificate, false).await;
    let another = TestFront::open_to_all().await.front.endpoint();
    check("run.example", &another.certificate, false).await;
}

#[tokio::test]
async fn hosts_that_no_certificate_can_be_for_are_refused() {
    let check = |host: &str, usable: bool| {
        let made = Identity::make(host);
        assert_eq!(made.is_ok(), usable, "{host:?}");
        if let Err(error) = made {
            assert!(error.to_string().contains(&format!("`{host}`")), "{error}");
        }
    };
    for host in ["localhost", "127.0.0.1", "203.0.113.9", "2001:db8::1", "gpu-7.example"] {
        check(host, true);
    }
    for host in ["", "https://a", "a:443", "a b", "[::1]", "bücher.example", "-"] {
        check(host, false);
    }
}

#[tokio::test]
async fn unreadable_client_certificates_are_explained() {
    let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mine = ClientCertificate::make(&KeyPair::generate().unwrap(), |_| ());
    let check = |given: &str, expected: &str| {
        let error = open(&job, Some(given), FrontLimits::default()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("", "it has no `-----BEGIN CERTIFICATE-----`");
    check("ssh-ed25519 AAAA", "it has no `-----BEGIN CERTIFICATE-----`");
    check(&mine.pem[..200], "part 1:");
    check(&format!("{0}{1}", mine.pem, &mine.pem[..200]), "part 2:");
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    check(garbage, "certificate 1:");
    check(&mine.pem.repeat(33), "more than 32");
    check(&format!("{}{}", mine.pem, mine.key_pem), "private key");
    let line = mine.key_pem.lines().nth(1).unwrap();
    let error = open(&job, Some(&mine.key_pem), FrontLimits::default()).err().unwrap();
    assert!(!format!("{error} {error:?}").contains(line), "the key is repeated");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let bench = TestFront::open_to_all().await;
    let listen = SocketAddr::from(([127, 0, 0, 1], bench.front.endpoint().port));
    let settings = FrontSettings {
        listen,
        public_host: "localhost".to_owned(),
        client_certificate: None,
        limits: FrontLimits::default(),
    };
    let error = Front::open(&settings, upstream(listen)).err().unwrap().to_string();
    assert!(error.contains(&listen.to_string()) && error.contains("in use"), "{error}");
}

/// Sends bytes, closes, and waits until the front has closed.
async fn send(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The front may have closed before everything is sent.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = soon(read_all(&mut stream)).await;
}

#[tokio::test]
async fn hostile_bytes_end_their_own_connection_only() {
    let bench = TestFront::open_to_all().await;
    let port = bench.front.endpoint().port;
    send(port, b"").await;
    send(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    send(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    send(port, &[0x16, 3, 1, 0xff, 0xff]).await;
    send(port, &[0x15, 3, 3, 0, 2, 2, 40]).await;
    send(port, &vec![0; 200_000]).await;
    send(port, &vec![0x16; 200_000]).await;
    for length in [0, 1, 4, 100, 0x4000] {
        let mut record = vec![0x16, 3, 1];
        record.extend_from_slice(&u16::to_be_bytes(length));
        record.resize(5 + usize::from(length), 1);
        send(port, &record).await;
    }
    let endpoint = bench.front.endpoint();
    assert!(is_accepted(&bench, Client::of(&endpoint)).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_front_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000), like_tls: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = TestFront::open_to_all().await;
            let endpoint = bench.front.endpoint();
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            let head = [0x16, 3, 1, length[0], length[1]];
            let record = [&head[..], &bytes].concat();
            send(endpoint.port, if like_tls { &record } else { &bytes }).await;
            assert!(is_accepted(&bench, Client::of(&endpoint)).await);
        });
    }
}
