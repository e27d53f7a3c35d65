use rustix::process::Pid;

use super::*;
use crate::testing::{Shell, exclusive, exists};

/// Members that are always the same.
struct Fixed(Vec<Process>);

impl Members for Fixed {
    fn living(&self, _: &Table) -> Vec<Process> {
        self.0.clone()
    }

    fn ended(&self, _: &Table) -> Vec<Process> {
        Vec::new()
    }

    fn reap(&self, _: &Process) -> bool {
        false
    }
}

fn process(pid: Pid) -> Process {
    Process::read(pid).unwrap().unwrap()
}

#[tokio::test]
async fn a_process_that_refuses_signals_is_reported_and_not_awaited() {
    let _turn = exclusive().await;
    let mut shell = Shell::start("echo ready; read never");
    assert_eq!(shell.line(), "ready");
    let members = Fixed(vec![process(shell.pid())]);
    let mut end = Termination::new(&members);
    end.refused.insert(members.0[0].identity);
    let problem = end.freeze(&HashSet::new()).await.map(|snapshot| end.refuses_all(&snapshot));
    assert!(matches!(problem, Ok(true)));
    shell.input.take();
    shell.wait();
    let message = end.kill(None).await.unwrap();
    assert_eq!(message, "still there after the job: 1 process (sh): not ours to end");
    assert_eq!(end.report(None, None), TreeExit::default());
}

#[tokio::test]
async fn a_group_signal_reaches_members_only() {
    let _turn = exclusive().await;
    // The process that the shell starts is in its group, but is no member.
    let mut shell = Shell::start("sh -c 'trap \"exit 4\" TERM; echo $$; read never <&3' & wait $!");
    let other = shell.pid_line();
    let table = Table::read().unwrap();
    let members = [process(shell.pid())];
    send_to_groups(members.iter(), &members, &table, Signal::KILL);
    assert!(exists(other) && shell.child.try_wait().unwrap().is_none());
    let members = [process(shell.pid()), process(other)];
    send_to_groups(members[..1].iter(), &members, &table, Signal::KILL);
    assert_eq!(shell.wait().code(), None);
    // No process is left that could print.
    assert_eq!(shell.line(), "");
}

#[tokio::test]
async fn a_reused_pid_gets_no_signal() {
    let _turn = exclusive().await;
    let mut earlier = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let earlier_process = process(Pid::from_child(&earlier));
    earlier.kill().unwrap();
    earlier.wait().unwrap();
    assert_eq!(send(&earlier_process, Signal::KILL), Err(Errno::SRCH));

    // The earlier process, as if it had had the pid of the later one.
    let mut shell = Shell::start("echo ready; read never");
    assert_eq!(shell.line(), "ready");
    let later = process(shell.pid());
    let confused = Process { identity: later.identity.started_earlier(), ..later };
    assert_eq!(send(&confused, Signal::KILL), Err(Errno::SRCH));
    shell.input.take();
    assert_eq!(shell.wait().code(), Some(1));
}

#[test]
fn message_about_processes_left_behind() {
    fn check(count: usize, names: &[&str], expected: Option<&str>) {
        let names = few(names.iter().map(|name| (*name).to_owned()));
        let ended = TreeExit { count, names, problem: None };
        assert_eq!(ended.left_behind().as_deref(), expected);
    }
    check(0, &[], None);
    check(1, &["sleep"], Some("the job left a process that had to be ended: sleep"));
    check(
        7,
        &["a", "a", "b", "c", "d", "e", "f"],
        Some("the job left 7 processes that had to be ended: a, b, c, d, e"),
    );
}
