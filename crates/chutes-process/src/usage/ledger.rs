//! A record of what each process of a group has used, so that nothing is lost when one ends.

use std::collections::{HashMap, HashSet};
use std::io;

use rustix::process::Pid;

use super::MOST_PROCESSES;
use crate::procfs::{Identity, Process};

/// An amount that a process uses up in its life.
pub(super) trait Amount: Copy {
    fn plus(self, other: Self) -> Self;
}

impl Amount for u64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

/// What each process has used, by itself and by the children whose exit status it has taken.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    known: HashMap<Identity, Entry<T>>,
    /// What those have used that are gone, and that are not in the amount of another one. `None` if there are none.
    gone: Option<T>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    parent: i32,
    amount: T,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), gone: None }
    }
}

impl<T: Amount> Ledger<T> {
    /// Reads what the living processes of the group have used, and what became of those that were known before.
    /// `measure` returns `None` for a process that cannot be measured.
    ///
    /// When something cannot be read, or when there are too many processes, the record stays as it was.
    pub(super) fn update(&mut self, living: &[Pid], measure: impl Fn(&Process) -> Option<T>) {
        if let Ok(Some(known)) = self.read(living, measure) {
            self.replace(known);
        }
    }

    fn read(
        &self,
        living: &[Pid],
        measure: impl Fn(&Process) -> Option<T>,
    ) -> io::Result<Option<HashMap<Identity, Entry<T>>>> {
        let living: HashSet<Pid> = living.iter().copied().collect();
        // Those that were known and are not among the living may have ended a moment ago.
        let pids: HashSet<Pid> =
            self.known.keys().map(|identity| identity.pid).chain(living.iter().copied()).collect();
        if pids.len() > 2 * MOST_PROCESSES {
            return Ok(None);
        }
        let mut found = HashMap::with_capacity(pids.len());
        for pid in pids {
            let Some(process) = Process::read(pid)? else { continue };
            let before = self.known.get(&process.identity);
            if before.is_none() && !living.contains(&pid) {
                // Another process, with the pid of one that is gone.
                continue;
            }
            let amount = measure(&process).or(before.map(|before| before.amount));
            found.extend(
                amount.map(|amount| (process.identity, Entry { parent: process.parent, amount })),
            );
        }
        Ok(Some(found))
    }

    fn replace(&mut self, found: HashMap<Identity, Entry<T>>) {
        let present: HashSet<i32> =
            found.keys().map(|identity| identity.pid.as_raw_pid()).collect();
        for (identity, entry) in std::mem::replace(&mut self.known, found) {
            // A parent that is still there has taken the exit status, and its amount includes that of its child.
            if !self.known.contains_key(&identity) && !present.contains(&entry.parent) {
                self.gone = Some(self.gone.map_or(entry.amount, |gone| gone.plus(entry.amount)));
            }
        }
    }

    /// What those have used that are gone, and that are not in the amount of another one.
    pub(super) fn gone(&self) -> Option<T> {
        self.gone
    }

    /// What all have used together; `None` if none could ever be measured.
    pub(super) fn sum(&self) -> Option<T> {
        let known = self.known.values().map(|entry| entry.amount);
        known.chain(self.gone).reduce(T::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::pid;

    /// Records of pid, parent and amount; all processes were started at the same time.
    fn entries(records: &[(i32, i32, u64)]) -> HashMap<Identity, Entry<u64>> {
        let own = Process::read(rustix::process::getpid()).unwrap().unwrap().identity;
        let entry = |&(number, parent, amount)| {
            (own.with_pid(pid(number).unwrap()), Entry { parent, amount })
        };
        records.iter().map(entry).collect()
    }

    #[test]
    fn processes_that_end() {
        #[track_caller]
        fn check(before: &[(i32, i32, u64)], after: &[(i32, i32, u64)], gone: Option<u64>) {
            let mut ledger = Ledger { known: entries(before), gone: None };
            ledger.replace(entries(after));
            assert_eq!(ledger.gone(), gone);
            let left = after.iter().map(|(_, _, amount)| amount).sum::<u64>() + gone.unwrap_or(0);
            assert_eq!(ledger.sum().unwrap_or(0), left);
        }
        check(&[], &[], None);
        check(&[], &[(10, 1, 5)], None);
        check(&[(10, 1, 5)], &[(10, 1, 7)], None);
        // The supervisor has taken the exit status.
        check(&[(10, 1, 5)], &[], Some(5));
        check(&[(10, 1, 5), (11, 1, 3)], &[(11, 1, 3)], Some(5));
        // The parent has.
        check(&[(10, 1, 5), (11, 10, 3)], &[(10, 1, 9)], None);
        // It has ended, too, and its last reading did not include its child.
        check(&[(10, 1, 5), (11, 10, 3)], &[], Some(8));
        // Its child goes on.
        check(&[(10, 1, 5), (11, 10, 3)], &[(11, 1, 4)], Some(5));
    }

    #[test]
    fn amounts_of_real_processes() {
        let own = rustix::process::getpid();
        let mut ledger = Ledger::default();
        assert_eq!(ledger.sum(), None);
        ledger.update(&[own], |_| None::<u64>);
        assert_eq!(ledger.sum(), None);
        ledger.update(&[own], |process| Some(u64::from(process.pid() == own) * 7));
        assert_eq!(ledger.sum(), Some(7));
        // It is not in the list, but still there; what cannot be measured any more stays.
        ledger.update(&[], |_| None);
        assert_eq!((ledger.sum(), ledger.gone()), (Some(7), None));
        // Another process has its pid.
        let (identity, entry) = ledger.known.drain().next().unwrap();
        ledger.known.insert(identity.started_earlier(), entry);
        ledger.update(&[], |_| Some(100));
        assert_eq!((ledger.sum(), ledger.gone()), (Some(7), Some(7)));
    }

    #[test]
    fn too_many_processes_are_not_read() {
        let many: Vec<Pid> = (1..3_000).filter_map(pid).collect();
        let mut ledger = Ledger::<u64>::default();
        ledger.update(&many, |_| panic!("a process was read"));
        assert_eq!(ledger.sum(), None);
    }
}
