//! A channel over the simulated network: frames arrive late, in order, and not while the path is cut.

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::world::{Fate, SimNetwork};
use crate::{
    error::NetError,
    frame::MAX_FRAME_BYTES,
    transport::{BoxFuture, Channel, FrameReceiver, FrameSender, NodeId},
};

/// Frames that may be on their way in one direction; more wait, as they do for a stream's window.
const WINDOW_FRAMES: usize = 16;

/// One end: a node in one of its lives.
type End = (NodeId, u64);

enum Item {
    Frame { arrives: Instant, body: Bytes },
    Finish,
}

/// Both ends of a channel between `left` and `right`.
pub(super) fn channel(network: &SimNetwork, left: End, right: End) -> (Channel, Channel) {
    let (to_right, from_left) = half(network, left, right);
    let (to_left, from_right) = half(network, right, left);
    let left = Channel { sender: Box::new(to_right), receiver: Box::new(from_right) };
    let right = Channel { sender: Box::new(to_left), receiver: Box::new(from_left) };
    (left, right)
}

fn half(network: &SimNetwork, from: End, to: End) -> (Sender, Receiver) {
    let (frames, arriving) = mpsc::channel(WINDOW_FRAMES);
    let path = Path { network: network.clone(), from, to };
    let sender = Sender { path: path.clone(), frames, last_arrival: Instant::now() };
    (sender, Receiver { path, arriving, next: None })
}

#[derive(Clone)]
struct Path {
    network: SimNetwork,
    from: End,
    to: End,
}

impl Path {
    fn is_alive(&self) -> bool {
        let alive = |(node, life): End| self.network.is_alive(node, life);
        alive(self.from) && alive(self.to)
    }

    fn lost(&self, peer: End) -> NetError {
        NetError::Lost { peer: peer.0, why: "a process at one end has ended".into() }
    }
}

struct Sender {
    path: Path,
    frames: mpsc::Sender<Item>,
    last_arrival: Instant,
}

impl FrameSender for Sender {
    fn send(&mut self, body: Bytes) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move {
            if body.len() > MAX_FRAME_BYTES {
                return Err(NetError::TooLarge { bytes: body.len(), limit: MAX_FRAME_BYTES });
            }
            let (from, to) = (self.path.from, self.path.to);
            if !self.path.is_alive() {
                return Err(self.path.lost(to));
            }
            let delay = match self.path.network.fate(from.0, to.0) {
                Fate::Arrives(delay) => delay,
                Fate::Lost => self.path.network.repeat_delay(),
            };
            let arrives = (Instant::now() + delay).max(self.last_arrival);
            self.last_arrival = arrives;
            let sent = self.frames.send(Item::Frame { arrives, body }).await;
            sent.map_err(|_| self.path.lost(to))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async move {
            // A process that has ended finishes nothing, although its task may still run here for a moment.
            if !self.path.is_alive() {
                return Err(self.path.lost(self.path.to));
            }
            let sent = self.frames.send(Item::Finish).await;
            sent.map_err(|_| self.path.lost(self.path.to))
        })
    }
}

struct Receiver {
    path: Path,
    arriving: mpsc::Receiver<Item>,
    /// Taken from the queue and not handed out yet, so that a dropped future loses nothing.
    next: Option<Item>,
}

impl FrameReceiver for Receiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, NetError>> {
        Box::pin(async move {
            let mut changes = self.path.network.changes();
            loop {
                if !self.path.is_alive() {
                    return Err(self.path.lost(self.path.from));
                }
                tokio::select! {
                    biased;
                    arrived = arrival(&self.path, &mut self.arriving, &mut self.next) => {
                        return arrived.ok_or_else(|| self.path.lost(self.path.from));
                    }
                    // Whoever went down, or a path that is whole again, may end the wait.
                    _ = changes.changed() => {}
                }
            }
        })
    }
}

/// The next frame, once it is here; `Some(None)` for the end of the channel, `None` if the sender is gone without
/// one.
async fn arrival(
    path: &Path,
    arriving: &mut mpsc::Receiver<Item>,
    next: &mut Option<Item>,
) -> Option<Option<Bytes>> {
    if next.is_none() {
        *next = Some(arriving.recv().await?);
    }
    if let Some(Item::Frame { arrives, .. }) = next {
        sleep_until(*arrives).await;
    }
    if path.network.is_cut(path.from.0, path.to.0) {
        // Until something changes; then the caller asks again.
        std::future::pending::<()>().await;
    }
    match next.take()? {
        Item::Frame { body, .. } => Some(Some(body)),
        Item::Finish => Some(None),
    }
}
