//! Sessions in real containers: of Podman, started for each test, on storage that all tests share.

use std::fs;

use chutes_core::{EngineRequest, Port, Protocol, PullPolicy};
use chutes_engine::{ContainerBody, Ulimit};
use chutes_test_support::containers::{IMAGE, Podman};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

use super::super::{Control, SessionExit, Terminal, connect};
use super::*;

/// A container that runs for as long as the test, and the backend for its sessions.
struct TestContainer {
    backend: ContainerBackend,
    engine: Engine,
    name: String,
    _podman: Podman,
}

fn limit(name: &'static str) -> Ulimit {
    Ulimit { name, soft: 1024, hard: 1024 }
}

fn setup(engine: Option<(Engine, String)>) -> ContainerBackendSetup {
    ContainerBackendSetup {
        engine: watch::Sender::new(engine).subscribe(),
        connector: Connector::Here,
        ports: Vec::new(),
        mounts: Vec::new(),
        sessions: Sessions::default(),
    }
}

impl TestContainer {
    async fn new() -> Self {
        let podman = Podman::start();
        let settings = EngineRequest { host: Some(podman.host()), pull: PullPolicy::Never };
        let engine = Engine::connect(&settings).await.unwrap();
        let name = format!("chutes-ssh-test-{}", uuid::Uuid::now_v7());
        let body = ContainerBody {
            image: IMAGE.to_owned(),
            command: Some(["sleep", "600"].map(str::to_owned).to_vec()),
            env: vec!["OF_THE_JOB=yes".to_owned()],
            // No more than this process may have: the defaults of engines are higher.
            ulimits: Some(["nofile", "nproc"].map(limit).to_vec()),
            ..ContainerBody::default()
        };
        engine.create(&name, &body).await.unwrap();
        engine.start(&name).await.unwrap();
        let backend = ContainerBackend::new(setup(Some((engine.clone(), name.clone()))));
        Self { backend, engine, name, _podman: podman }
    }

    async fn start(&self, command: SessionCommand, terminal: Option<Terminal>) -> StartedSession {
        let env = vec![("LANG".to_owned(), "xx".to_owned())];
        self.backend.start(SessionRequest { command, terminal, env }).await.unwrap()
    }

    async fn command(&self, text: &str) -> StartedSession {
        self.start(SessionCommand::Command(text.into()), None).await
    }

    /// Runs a command to its end. Returns its output, its errors and its exit.
    async fn run(&self, text: &str, input: &[u8]) -> (String, String, SessionExit) {
        let mut started = self.command(text).await;
        let (mut out, mut err) = (String::new(), String::new());
        let mut stderr = started.stderr.take().unwrap();
        let write = async {
            started.stdin.write_all(input).await.unwrap();
            started.stdin.shutdown().await.unwrap();
        };
        let ((), out_read, err_read) = tokio::join!(
            write,
            started.stdout.read_to_string(&mut out),
            stderr.read_to_string(&mut err)
        );
        out_read.unwrap();
        err_read.unwrap();
        (out, err, started.exit.await.unwrap())
    }

    /// The command lines of all processes in the container.
    async fn programs(&self) -> String {
        self.run("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done", b"").await.0
    }

    async fn end(self) {
        assert_eq!(self.backend.stop().await, Vec::<String>::new());
        self.engine.remove(&self.name).await.unwrap();
    }
}

fn terminal() -> Terminal {
    Terminal { term: "vt100".to_owned(), columns: 123, rows: 45, pixels: (0, 0) }
}

#[tokio::test]
async fn before_the_container_runs() {
    let backend = ContainerBackend::new(setup(None));
    for command in
        [SessionCommand::Shell, SessionCommand::Command(b"true".into()), SessionCommand::Sftp]
    {
        let request = SessionRequest { command, terminal: None, env: Vec::new() };
        let error = backend.start(request).await.err().unwrap();
        assert_eq!(error.to_string(), "the container does not run yet");
    }
}

#[tokio::test]
async fn connections_lead_to_the_run_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    let port = Port::new("web", 8080, Protocol::Tcp).unwrap();
    let address = format!("127.0.0.1:{number}").parse().unwrap();
    let mut setup = setup(None);
    setup.ports = vec![PortAddress { port, address }];
    let backend = ContainerBackend::new(setup);
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
        connect(&backend, host, number).await.unwrap();
    }
    for host in ["192.0.2.1", "example.org", "169.254.169.254", "", "0.0.0.0", "::"] {
        let error = connect(&backend, host, number).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{host}");
    }
}

#[tokio::test]
async fn commands() {
    let container = TestContainer::new().await;
    let ended = container.run("cat; echo oh no >&2; echo $OF_THE_JOB $LANG; exit 7", b"in\n").await;
    assert_eq!(ended, ("in\nyes xx\n".into(), "oh no\n".into(), SessionExit::Exited(7)));
    let ended = container.run("nosuch", b"").await;
    assert_eq!(ended.2, SessionExit::Exited(127));
    let (out, ..) = container.run("seq 200000", b"").await;
    assert_eq!(out.lines().count(), 200_000);
    let request = SessionRequest {
        command: SessionCommand::Command(b"\xff".into()),
        terminal: None,
        env: Vec::new(),
    };
    assert!(container.backend.start(request).await.is_err());
    container.end().await;
}

#[tokio::test]
async fn shells_on_terminals() {
    let container = TestContainer::new().await;
    let mut started = container.start(SessionCommand::Shell, Some(terminal())).await;
    assert!(started.stderr.is_none());
    let mut lines = BufReader::new(started.stdout).lines();
    let mut wait_for = async |text: &str| loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.contains(text) && !line.contains("echo") {
            return line;
        }
    };
    // Output that begins with a byte that would be a stream in a frame.
    started.stdin.write_all(b"echo -e '\\001\\002\\003' term=$TERM\n").await.unwrap();
    wait_for("term=vt100").await;
    started.stdin.write_all(b"busybox stty size; echo done$((1+1))\n").await.unwrap();
    assert_eq!(wait_for("45 ").await.trim(), "45 123");
    let (done, is_done) = oneshot::channel();
    let resize = Control::Resize { columns: 90, rows: 30, pixels: (0, 0), done };
    started.control.send(resize).await.unwrap();
    assert!(is_done.await.is_err(), "a value was sent");
    started.stdin.write_all(b"busybox stty size\n").await.unwrap();
    assert_eq!(wait_for("30 ").await.trim(), "30 90");
    started.stdin.write_all(b"exit 3\n").await.unwrap();
    while lines.next_line().await.is_ok_and(|line| line.is_some()) {}
    assert_eq!(started.exit.await.unwrap(), SessionExit::Exited(3));
    container.end().await;
}

/// A command that ends before it has read its input keeps its output, and needs no more input to end.
#[tokio::test]
async fn commands_that_leave_input_unread() {
    let container = TestContainer::new().await;
    let input = vec![b'x'; 300_000];
    for (command, out, err, code) in [
        ("nosuch", "", "nosuch: not found", 127),
        ("echo out; echo oh no >&2; exit 7", "out\n", "oh no\n", 7),
        ("seq 100000 | tail -n 1", "100000\n", "", 0),
        ("exec <&-; echo closed", "closed\n", "", 0),
        ("kill -KILL $$", "", "", 137),
        ("kill -TERM $$", "", "", 143),
    ] {
        for _ in 0..5 {
            let mut started = container.command(command).await;
            let (mut stdin, mut stderr) = (started.stdin, started.stderr.take().unwrap());
            // The client does not say that its input has ended.
            let written = async { while stdin.write_all(&input).await.is_ok() {} };
            let (mut found_out, mut found_err) = (String::new(), String::new());
            let read = async {
                tokio::join!(
                    started.stdout.read_to_string(&mut found_out),
                    stderr.read_to_string(&mut found_err)
                )
            };
            let ((), (out_read, err_read)) = tokio::join!(written, read);
            out_read.unwrap();
            err_read.unwrap();
            let exit = started.exit.await.unwrap();
            assert_eq!((found_out.as_str(), exit), (out, SessionExit::Exited(code)), "{command}");
            assert!(
                found_err.contains(err) && found_err.is_empty() == err.is_empty(),
                "{found_err}"
            );
        }
    }
    container.end().await;
}

#[tokio::test]
async fn terminals_have_their_size_from_the_start() {
    let container = TestContainer::new().await;
    for _ in 0..5 {
        let command = SessionCommand::Command(b"busybox stty size".into());
        let mut started = container.start(command, Some(terminal())).await;
        let mut output = String::new();
        started.stdout.read_to_string(&mut output).await.unwrap();
        assert_eq!(output.trim_end(), "45 123");
    }
    container.end().await;
}

#[tokio::test]
async fn signals_reach_the_session_only() {
    let container = TestContainer::new().await;
    let mut other = container.command("echo up; sleep 500").await;
    let mut up = [0; 3];
    other.stdout.read_exact(&mut up).await.unwrap();
    let mut started = container
        .command("trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.1; done")
        .await;
    started.stdout.read_exact(&mut up).await.unwrap();
    started.control.send(Control::Signal(Signal::USR1)).await.unwrap();
    let mut rest = String::new();
    started.stdout.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("got\n"), "{rest}");
    assert_eq!(started.exit.await.unwrap(), SessionExit::Exited(9));
    let programs = container.programs().await;
    assert!(programs.contains("sleep 500") && programs.contains("sleep 600"), "{programs}");
    container.end().await;
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_no_process() {
    let container = TestContainer::new().await;
    let script = "trap '' HUP TERM; sleep 501 & sleep 502 & echo up; wait; sleep 503";
    let mut started = container.command(script).await;
    let mut up = [0; 3];
    started.stdout.read_exact(&mut up).await.unwrap();
    started.control.send(Control::HangUp).await.unwrap();
    assert_eq!(started.exit.await.unwrap(), SessionExit::Exited(137));
    let programs = container.programs().await;
    assert!(!programs.contains("sleep 50") && programs.contains("sleep 600"), "{programs}");
    container.end().await;
}

#[tokio::test]
async fn a_session_ends_with_its_container() {
    let container = TestContainer::new().await;
    let mut started = container.command("echo up; sleep 505").await;
    let mut up = [0; 3];
    started.stdout.read_exact(&mut up).await.unwrap();
    container.engine.remove(&container.name).await.unwrap();
    let mut rest = String::new();
    started.stdout.read_to_string(&mut rest).await.unwrap();
    let end = started.exit.await.unwrap();
    assert!(matches!(&end, SessionExit::Lost(_) | SessionExit::Exited(137)), "{end:?}");
    container.end().await;
}

#[tokio::test]
async fn stopping_ends_all_sessions() {
    let container = TestContainer::new().await;
    let mut one = container.command("echo up; sleep 504").await;
    let mut up = [0; 3];
    one.stdout.read_exact(&mut up).await.unwrap();
    let shell = container.start(SessionCommand::Shell, Some(terminal())).await;
    assert_eq!(container.backend.stop().await, Vec::<String>::new());
    assert!(matches!(one.exit.await.unwrap(), SessionExit::Exited(_)));
    assert!(matches!(shell.exit.await.unwrap(), SessionExit::Exited(_)));
    let request =
        SessionRequest { command: SessionCommand::Shell, terminal: None, env: Vec::new() };
    assert_eq!(container.backend.start(request).await.err().unwrap().to_string(), "the run ends");
    container.end().await;
}

#[tokio::test]
async fn an_image_without_a_shell() {
    let container = TestContainer::new().await;
    // The shell is not cached yet, so the first session of the new backend searches for it.
    let exec = container.run("busybox rm /bin/sh", b"").await;
    assert_eq!(exec.2, SessionExit::Exited(0));
    let backend =
        ContainerBackend::new(setup(Some((container.engine.clone(), container.name.clone()))));
    let request = SessionRequest {
        command: SessionCommand::Command(b"true".into()),
        terminal: None,
        env: Vec::new(),
    };
    let mut started = backend.start(request).await.unwrap();
    let mut output = String::new();
    started.stderr.take().unwrap().read_to_string(&mut output).await.unwrap();
    assert!(output.contains("no /bin/sh"), "{output}");
    assert_eq!(started.exit.await.unwrap(), SessionExit::Exited(127));
    container.end().await;
}

#[tokio::test]
async fn files_are_served_by_a_process_of_this_machine() {
    let container = TestContainer::new().await;
    let folder = TempDir::new().unwrap();
    // A program that prints its arguments and then its input.
    let server = folder.path().join("server");
    fs::write(&server, "#!/bin/sh\necho \"$@\"\nexec cat\n").unwrap();
    fs::set_permissions(&server, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut setup = setup(Some((container.engine.clone(), container.name.clone())));
    setup.mounts = vec![("/output".to_owned(), folder.path().to_owned(), false)];
    let mut backend = ContainerBackend::new(setup);
    backend.server = server.into();
    let request =
        || SessionRequest { command: SessionCommand::Sftp, terminal: None, env: Vec::new() };
    let mut started = backend.start(request()).await.unwrap();
    started.stdin.write_all(b"sent").await.unwrap();
    drop(started.stdin);
    let mut output = String::new();
    started.stdout.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, format!("__sftp --mount /output={}:rw\nsent", folder.path().display()));
    assert_eq!(started.exit.await.unwrap(), SessionExit::Exited(0));
    let started = backend.start(request()).await.unwrap();
    started.control.send(Control::HangUp).await.unwrap();
    let killed = SessionExit::Signalled { name: "KILL".to_owned(), core_dumped: false };
    assert_eq!(started.exit.await.unwrap(), killed);
    container.end().await;
}
