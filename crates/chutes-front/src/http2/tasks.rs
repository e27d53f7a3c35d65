//! The tasks of one connection: its requests, and its connections to the job.
//!
//! They are polled by the task of the runtime that serves the connection, so that a request wakes no other thread: what
//! is passed on costs less than waking one.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Adds tasks to those of a connection.
#[derive(Clone)]
pub(super) struct Tasks {
    added: Sender<Task>,
}

/// The tasks themselves. They end when this is dropped.
pub(super) struct Running {
    added: Receiver<Task>,
    tasks: FuturesUnordered<Task>,
}

impl Running {
    pub(super) fn new() -> (Tasks, Self) {
        let (sender, receiver) = channel();
        (Tasks { added: sender }, Self { added: receiver, tasks: FuturesUnordered::new() })
    }

    /// Continues all tasks that can continue. Tasks are added by what is polled together with this, and before it.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        loop {
            self.tasks.extend(self.added.try_iter());
            match self.tasks.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return,
                Poll::Pending => match self.added.try_recv() {
                    Ok(task) => self.tasks.push(task),
                    Err(_) => return,
                },
            }
        }
    }
}

impl Tasks {
    /// Adds a task. To be called only by what is polled with the others.
    pub(super) fn add<F: Future<Output: Send> + Send + 'static>(&self, task: F) {
        // An error says that the connection has ended, and then its tasks end as well.
        let _ = self.added.send(Box::pin(async move { drop(task.await) }));
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.add(task);
    }
}
