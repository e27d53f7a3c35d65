//! A forwarded connection of a client to a port of the job.

use std::io;
use std::sync::Arc;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf};
use tokio::sync::OwnedSemaphorePermit;

use super::backend::{SessionBackend, connect};
use super::flow_control::FlowControl;
use super::pump::{Input, Output};

/// A forwarded connection that a client has requested.
pub(super) struct Forward {
    pub(super) channel: Channel<Msg>,
    pub(super) reply: ChannelOpenHandle,
    pub(super) backend: Arc<dyn SessionBackend>,
    pub(super) flow: Arc<FlowControl>,
    /// Counts as one of the forwarded connections of its connection.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Forward {
    /// Connects, accepts or rejects the channel, and copies bytes until both sides have closed or one is
    /// gone.
    pub(super) async fn run(self, host: String, port: u16) {
        let Self { channel, reply, backend, flow, permit } = self;
        let stream = match connect(&*backend, &host, port).await {
            Ok(stream) => stream,
            Err(error) => return reply.reject(failure(&error)).await,
        };
        reply.accept().await;
        let (mut read, write) = channel.split();
        let input = Input::new(flow);
        let (from, to) = stream.into_split();
        let output = async {
            Output { write: &write, extended: None }.pump(from).await;
            // The client may still send.
            let _ = write.eof().await;
            input.delivered().await;
        };
        tokio::select! {
            () = output => {}
            () = receive(&mut read, &input) => {}
            never = input.feed(to) => match never {},
        }
        let _ = write.close().await;
        drop(permit);
    }
}

fn failure(error: &io::Error) -> ChannelOpenFailure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ChannelOpenFailure::AdministrativelyProhibited,
        _ => ChannelOpenFailure::ConnectFailed,
    }
}

/// Receives all messages of the client from the library, until the client is gone.
async fn receive(read: &mut ChannelReadHalf, input: &Input) {
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => input.push(data),
            ChannelMsg::Eof => input.end(),
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}
