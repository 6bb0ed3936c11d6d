//! Datagrams on the connections that there are anyway. Nothing here waits, and nothing is told of a loss.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, RwLock},
};

use bytes::Bytes;
use quinn::Connection;

use crate::transport::{Listener, NodeId};

/// Datagrams kept for a peer without a connection; older ones make room.
const MAX_WAITING: usize = 8;

/// Who hears datagrams.
pub(super) type Listening = Arc<RwLock<Option<Arc<dyn Listener>>>>;

/// Hands the peer's datagrams on until the connection ends.
pub(super) async fn listen(connection: Connection, peer: NodeId, listening: Listening) {
    while let Ok(datagram) = connection.read_datagram().await {
        let listener = listening.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if let Some(listener) = listener {
            listener.heard(peer, datagram);
        }
    }
}

/// Sends without waiting. A path that carries less, or a full queue, loses it.
pub(super) fn send(connection: &Connection, datagram: Bytes) {
    if let Err(error) = connection.send_datagram(datagram) {
        tracing::trace!(error = %error, "datagram not sent");
    }
}

/// Datagrams that wait for a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<VecDeque<Bytes>>>);

impl Waiting {
    pub(super) fn push(&self, datagram: Bytes) {
        let mut waiting = self.lock();
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(datagram);
    }

    pub(super) fn drain(&self) -> VecDeque<Bytes> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_few_wait() {
        let waiting = Waiting::default();
        for n in 0..MAX_WAITING as u8 + 3 {
            waiting.push(Bytes::copy_from_slice(&[n]));
        }
        let kept: Vec<u8> = waiting.drain().iter().map(|datagram| datagram[0]).collect();
        assert_eq!(kept, (3..MAX_WAITING as u8 + 3).collect::<Vec<_>>());
        assert!(waiting.drain().is_empty());
    }
}
