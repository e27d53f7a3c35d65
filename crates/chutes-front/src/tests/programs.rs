//! curl, OpenSSL and Python as clients. They have to be installed on the machine that runs these tests.

use std::path::Path;
use std::process::Stdio;

use rcgen::KeyPair;
use tokio::process::Command;

use super::*;

/// A job that answers every request with its request line.
async fn echo(job: TcpListener) {
    loop {
        let (mut stream, _) = job.accept().await.unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 1_000];
            let count = stream.read(&mut bytes).await.unwrap();
            let request = String::from_utf8_lossy(&bytes[..count]).to_string();
            let line = request.lines().next().unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
            stream.write_all(head.as_bytes()).await.unwrap();
        });
    }
}

/// Runs a program in the folder of the certificates. Returns its standard output, or its standard error
/// when it fails.
async fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(Duration::from_mins(1), command.output()).await;
    let output = ended.unwrap().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A folder with `server.pem`, `client.pem`, `client.key`, and the certificate and key of another client.
fn folder(front: &Front, mine: &ClientCertificate, other: &ClientCertificate) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("server.pem", &front.endpoint().certificate);
    for (name, certificate) in [("client", mine), ("other", other)] {
        write(&format!("{name}.pem"), &certificate.pem);
        write(&format!("{name}.key"), &certificate.key_pem);
    }
    folder
}

const PYTHON: &str = "
import http.client, ssl, sys
context = ssl.create_default_context(cafile='server.pem')
if hasattr(ssl, 'VERIFY_X509_STRICT'):
    context.verify_flags |= ssl.VERIFY_X509_STRICT
context.load_cert_chain('client.pem', 'client.key')
for host in 'localhost', '127.0.0.1':
    client = http.client.HTTPSConnection(host, int(sys.argv[1]), context=context, timeout=30)
    client.request('GET', '/python')
    print(client.getresponse().read().decode())
";

#[tokio::test]
async fn common_clients_can_connect() {
    let (mine, other) = (ClientCertificate::like_sdk(), ClientCertificate::like_sdk());
    let TestFront { front, job } = TestFront::new(Some(&mine.pem), FrontLimits::default()).await;
    let job = tokio::spawn(echo(job));
    let folder = folder(&front, &mine, &other);
    let port = front.endpoint().port;
    let (here, url) = (folder.path(), format!("https://run.example:{port}/curl"));
    let resolve = format!("run.example:{port}:127.0.0.1");
    let curl = async |more: &[&str]| {
        let usual = ["-sS", "--noproxy", "*", "--resolve", &resolve, &url];
        run(here, "curl", &[&usual[..], more].concat()).await
    };
    let server = ["--cacert", "server.pem"];
    let client = ["--cacert", "server.pem", "--cert", "client.pem", "--key", "client.key"];
    let stranger = ["--cacert", "server.pem", "--cert", "other.pem", "--key", "other.key"];
    let expected = Ok("GET /curl HTTP/1.1".to_owned());
    for version in ["--http1.1", "--http2"] {
        assert_eq!(curl(&[&client[..], &[version]].concat()).await, expected, "{version}");
        assert_eq!(curl(&[&client[..], &[version, "--tls-max", "1.2"]].concat()).await, expected);
        assert!(curl(&[&server[..], &[version]].concat()).await.is_err());
        assert!(curl(&[&stranger[..], &[version]].concat()).await.is_err());
    }
    assert!(curl(&client[2..]).await.is_err_and(|error| error.contains("certificate")));
    let output = run(here, "python3", &["-c", PYTHON, &port.to_string()]).await.unwrap();
    assert_eq!(output, "GET /python HTTP/1.1\n".repeat(2));
    front.stop().await;
    job.abort();
}

#[tokio::test]
async fn openssl_reads_the_certificate() {
    let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = open(&job, None, FrontLimits::default()).unwrap();
    let mine = ClientCertificate::make(&KeyPair::generate().unwrap(), |_| ());
    let folder = folder(&front, &mine, &mine);
    let verify = ["verify", "-CAfile", "server.pem", "-purpose", "sslserver", "-x509_strict"];
    let output = run(folder.path(), "openssl", &[&verify[..], &["server.pem"]].concat()).await;
    assert_eq!(output.unwrap(), "server.pem: OK\n");
    let text = run(folder.path(), "openssl", &["x509", "-in", "server.pem", "-noout", "-text"]);
    let text = text.await.unwrap();
    for expected in [
        "Subject: CN = localhost",
        "prime256v1",
        "DNS:localhost, DNS:run.example, IP Address:127.0.0.1",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "TLS Web Server Authentication",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    for (seconds, valid) in [("31000000", true), ("31622400", false)] {
        let check = ["x509", "-in", "server.pem", "-noout", "-checkend", seconds];
        assert_eq!(run(folder.path(), "openssl", &check).await.is_ok(), valid, "{seconds}");
    }
}
