//! Frames over one QUIC stream.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream};

use super::endpoint::CLOSE_DONE;
use crate::{
    error::NetError,
    frame,
    transport::{BoxFuture, Channel, FrameReceiver, FrameSender, NodeId},
};

/// How much is taken from the stream at once.
const READ_BYTES: usize = 64 * 1024;

/// The error code of a stream whose sender gave up.
const ABANDONED: u32 = 1;

/// A channel over both directions of a stream. `connection` is of a channel that has one to itself, and ends with the
/// later of its halves.
pub(super) fn channel(
    peer: NodeId,
    tx: SendStream,
    receiver: StreamReceiver,
    connection: Option<OwnConnection>,
) -> Channel {
    let connection = connection.map(Arc::new);
    let sender = StreamSender { peer, tx, finished: false, _connection: connection.clone() };
    Channel {
        sender: Box::new(sender),
        receiver: Box::new(StreamReceiver { _connection: connection, ..receiver }),
    }
}

/// Closed when it is dropped: others hold handles of it (its metrics do), so that it would stay open otherwise.
pub(super) struct OwnConnection(pub(super) Connection);

impl Drop for OwnConnection {
    fn drop(&mut self) {
        self.0.close(CLOSE_DONE.into(), b"done");
    }
}

struct StreamSender {
    peer: NodeId,
    tx: SendStream,
    finished: bool,
    _connection: Option<Arc<OwnConnection>>,
}

impl FrameSender for StreamSender {
    fn send(&mut self, body: Bytes) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move {
            let frame = frame::encode(&body)?;
            self.tx.write_chunk(frame).await.map_err(|error| lost(self.peer, &error))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move {
            self.finished = true;
            self.tx.finish().map_err(|error| lost(self.peer, &error))
        })
    }
}

/// quinn finishes a stream that is dropped, which would tell the peer that everything was said.
impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.finished {
            // An error means that the stream has ended already.
            let _ = self.tx.reset(ABANDONED.into());
        }
    }
}

/// Reads frames. What has arrived of a frame is kept between calls, so that a dropped future loses nothing.
pub(super) struct StreamReceiver {
    peer: NodeId,
    rx: RecvStream,
    arrived: BytesMut,
    _connection: Option<Arc<OwnConnection>>,
}

impl StreamReceiver {
    pub(super) fn new(peer: NodeId, rx: RecvStream) -> StreamReceiver {
        StreamReceiver { peer, rx, arrived: BytesMut::new(), _connection: None }
    }

    /// The next frame; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            if !self.read_more().await? {
                return if self.arrived.is_empty() {
                    Ok(None)
                } else {
                    Err(NetError::BadFrame("the stream ends inside a frame".into()))
                };
            }
        }
    }

    /// Exactly `N` bytes, before the frames begin.
    pub(super) async fn prefix<const N: usize>(&mut self) -> Result<[u8; N], NetError> {
        while self.arrived.len() < N {
            if !self.read_more().await? {
                return Err(NetError::BadFrame("the stream ends before its first frame".into()));
            }
        }
        let mut bytes = [0; N];
        self.arrived.copy_to_slice(&mut bytes);
        Ok(bytes)
    }

    fn take_frame(&mut self) -> Result<Option<Bytes>, NetError> {
        let Some((prefix, rest)) = self.arrived.split_first_chunk::<4>() else { return Ok(None) };
        let length = frame::length(*prefix)?;
        if rest.len() < length {
            return Ok(None);
        }
        self.arrived.advance(4);
        Ok(Some(self.arrived.split_to(length).freeze()))
    }

    async fn read_more(&mut self) -> Result<bool, NetError> {
        let chunk = self.rx.read_chunk(READ_BYTES, true).await.map_err(|error| lost(self.peer, &error))?;
        match chunk {
            Some(chunk) => {
                self.arrived.extend_from_slice(&chunk.bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

impl FrameReceiver for StreamReceiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, NetError>> {
        Box::pin(self.next())
    }
}

pub(super) fn lost(peer: NodeId, error: &dyn std::fmt::Display) -> NetError {
    NetError::Lost { peer, why: error.to_string() }
}
