//! Blobs among nodes: who has which, giving one away, taking one.
//!
//! These bytes are a contract between nodes of different versions; the tests below pin them. A node that does not know
//! them refuses the question or drops the channel, and counts as one that has nothing.
//!
//! ```text
//! has       question  version u8 = 1 | hash 32 ...            answer  version u8 = 1 | 0 or 1 for each
//! list      question  version u8 = 1 | hash 32, or nothing    answer  version u8 = 1 | hash 32 ...
//! give      frames    version u8 = 1 | hash 32 | length u32 BE, then pieces, then the end
//!           answer    version u8 = 1: it is durable
//! take      frame     version u8 = 1 | hash 32, then the end
//!           answer    version u8 = 1 | length u32 BE, then pieces, then the end; without any frame: it is not here
//! ```
//!
//! Bytes travel in pieces on a connection of their own, so that what nodes say about the log does not wait behind them. Who
//! receives holds one blob in memory, and no more than a few at once; more wait where they are.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use net::{Channel, FrameReceiver, GroupId, Kind, Lane, NetError, NodeId, Route};
use storage::{BlobHash, BlobStore, Fault, MAX_BLOB_BYTES};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::{Peers, kind};

const VERSION: u8 = 1;
/// The most hashes in one question, and in one answer.
pub const MOST_HASHES: usize = 1_000;
const PIECE_BYTES: usize = 256 * 1024;
/// A peer that does not go on for so long is not waited for.
const STALL: Duration = Duration::from_millis(1_800);
/// How long a peer may take to make a blob durable.
const SYNC_LIMIT: Duration = Duration::from_secs(5);
/// How long all of one transfer may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(25);
/// Blobs that are received from peers at once.
const RECEIVED_AT_ONCE: usize = 4;

/// This node's own blobs, as its peers see them.
pub(super) struct Shelf {
    store: Arc<BlobStore>,
    places: Semaphore,
}

impl Peers {
    /// Which blobs peers may ask for, and where those go that they give. The first store told stays.
    pub fn share_blobs(&self, store: Arc<BlobStore>) {
        // An error means that it was told before.
        let _ = self.0.shelf.set(Arc::new(Shelf { store, places: Semaphore::new(RECEIVED_AT_ONCE) }));
    }

    /// Which of these `node` has. `None` when it does not say.
    pub async fn has_blobs(&self, node: NodeId, hashes: &[BlobHash], deadline: Instant) -> Option<Vec<bool>> {
        let answer = self.call(node, kind::HAS_BLOBS, hashes_after(hashes), deadline).await.ok()?;
        let (&VERSION, has) = answer.split_first()? else { return None };
        (has.len() == hashes.len()).then(|| has.iter().map(|has| *has == 1).collect())
    }

    /// Some of the blobs that `node` has, in order, from behind `after`; none at the end. `None` when it does not say.
    pub async fn list_blobs(
        &self,
        node: NodeId,
        after: Option<BlobHash>,
        deadline: Instant,
    ) -> Option<Vec<BlobHash>> {
        let answer =
            self.call(node, kind::LIST_BLOBS, hashes_after(after.as_slice()), deadline).await.ok()?;
        hashes_in(&answer)
    }

    /// Gives a blob to `node`, which has made it durable when this returns.
    ///
    /// # Errors
    /// Why it is not known whether `node` has it.
    pub async fn give_blob(&self, node: NodeId, hash: BlobHash, bytes: Bytes) -> Result<(), String> {
        let giving = async {
            let Channel { mut sender, mut receiver } = self.open_blobs(node, kind::GIVE_BLOB).await?;
            in_time(sender.send(giving(hash, bytes.len()))).await?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                in_time(sender.send(piece)).await?;
            }
            in_time(sender.finish()).await?;
            let kept =
                timeout(SYNC_LIMIT, receiver.receive()).await.map_err(|_| "it takes too long".to_owned())?;
            match kept {
                Ok(Some(kept)) if kept[..] == [VERSION] => Ok(()),
                Ok(_) => Err("it has not kept the blob".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        timeout(TRANSFER_LIMIT, giving).await.unwrap_or_else(|_| Err("it takes too long".to_owned()))
    }

    /// The bytes of a blob as `node` has them. Whether they are the right ones is for the caller to see.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn take_blob(&self, node: NodeId, hash: BlobHash) -> Result<Bytes, String> {
        let taking = async {
            let Channel { mut sender, mut receiver } = self.open_blobs(node, kind::TAKE_BLOB).await?;
            in_time(sender.send(hashes_after(&[hash]))).await?;
            in_time(sender.finish()).await?;
            let head = in_time(receiver.receive()).await?.ok_or("it does not have the blob")?;
            let length = taken_length(&head).ok_or("an answer of no form that is known here")?;
            receive(&mut *receiver, length).await
        };
        timeout(TRANSFER_LIMIT, taking).await.unwrap_or_else(|_| Err("it takes too long".to_owned()))
    }

    async fn open_blobs(&self, peer: NodeId, kind: Kind) -> Result<Channel, String> {
        let route = Route { peer, group: GroupId::NODE, kind };
        in_time(self.0.transport.open(route, Lane::Bulk, Instant::now() + STALL)).await
    }
}

impl Shelf {
    /// The answer to who has which.
    pub(super) fn has(&self, question: &[u8]) -> Result<Bytes, String> {
        let hashes = hashes_in(question).ok_or("a question about blobs of no form that is known here")?;
        let has = hashes.into_iter().map(|hash| u8::from(self.store.contains(hash)));
        Ok(std::iter::once(VERSION).chain(has).collect())
    }

    /// The answer to what there is.
    pub(super) fn list(&self, question: &[u8]) -> Result<Bytes, String> {
        let after = hashes_in(question).ok_or("a question about blobs of no form that is known here")?;
        Ok(hashes_after(&self.store.list(after.first().copied(), MOST_HASHES)))
    }

    /// Keeps what a peer gives. A channel that is dropped says that it was not kept.
    pub(super) async fn keep(&self, channel: Channel) -> Result<(), String> {
        let Channel { mut sender, mut receiver } = channel;
        let _place = timeout(STALL, self.places.acquire())
            .await
            .map_err(|_| "too many blobs come at once".to_owned())?;
        let head = in_time(receiver.receive()).await?.ok_or("nothing came")?;
        let (hash, length) = given(&head).ok_or("a blob of no form that is known here")?;
        let receiving = timeout(TRANSFER_LIMIT, receive(&mut *receiver, length));
        let bytes = receiving.await.unwrap_or_else(|_| Err("it takes too long".to_owned()))?;
        put(&self.store, hash, bytes).await?;
        in_time(sender.send(Bytes::from_static(&[VERSION]))).await?;
        in_time(sender.finish()).await
    }

    /// Sends what a peer takes, from the file: nothing but a piece is in memory.
    pub(super) async fn send(&self, channel: Channel) -> Result<(), String> {
        let Channel { mut sender, mut receiver } = channel;
        let question = in_time(receiver.receive()).await?.ok_or("nothing was asked")?;
        let hash = hashes_in(&question).and_then(|hashes| hashes.first().copied());
        let hash = hash.ok_or("a question of no form that is known here")?;
        let store = self.store.clone();
        let found = blocking(move || store.find(hash)).await?;
        if let Some((file, length)) = found {
            in_time(sender.send(taken(length))).await?;
            let mut file = Some(file);
            while let Some(open) = file.take() {
                let (piece, rest) = blocking(move || next_piece(open)).await?;
                if !piece.is_empty() {
                    in_time(sender.send(piece)).await?;
                    file = Some(rest);
                }
            }
        }
        in_time(sender.finish()).await
    }
}

/// Keeps bytes that came from a peer, if they are what `hash` says.
pub async fn put(store: &Arc<BlobStore>, hash: BlobHash, bytes: Bytes) -> Result<(), String> {
    let store = store.clone();
    let kept = blocking(move || match BlobHash::of(&bytes) == hash {
        true => store.put(&bytes).map(Some),
        false => Ok(None),
    });
    kept.await?.map(drop).ok_or_else(|| format!("the bytes that came are not those of {hash}"))
}

/// Files are read and written off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, String> {
    let done = spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|fault| {
        tracing::warn!(code = fault.code(), %fault, "a blob of this node cannot be used");
        fault.to_string()
    })
}

fn next_piece(file: File) -> Result<(Bytes, File), Fault> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let read = (&file).take(PIECE_BYTES as u64).read_to_end(&mut piece);
    read.map_err(|error| Fault::io("read", "a blob", error))?;
    Ok((piece.into(), file))
}

async fn in_time<T>(work: impl Future<Output = Result<T, NetError>>) -> Result<T, String> {
    let done = timeout(STALL, work).await.map_err(|_| "it does not go on".to_owned())?;
    done.map_err(|error| error.to_string())
}

/// Pieces of so many bytes together, and the end.
async fn receive(receiver: &mut dyn FrameReceiver, length: usize) -> Result<Bytes, String> {
    let mut whole = BytesMut::with_capacity(length);
    while let Some(piece) = in_time(receiver.receive()).await? {
        if whole.len() + piece.len() > length {
            return Err("more came than was announced".to_owned());
        }
        whole.put_slice(&piece);
    }
    if whole.len() < length {
        return Err("less came than was announced".to_owned());
    }
    Ok(whole.freeze())
}

fn hashes_after(hashes: &[BlobHash]) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + 32 * hashes.len());
    out.put_u8(VERSION);
    hashes.iter().for_each(|hash| out.put_slice(&hash.0));
    out.freeze()
}

fn hashes_in(body: &[u8]) -> Option<Vec<BlobHash>> {
    let (&VERSION, rest) = body.split_first()? else { return None };
    let (hashes, rest) = rest.as_chunks::<32>();
    (rest.is_empty() && hashes.len() <= MOST_HASHES).then(|| hashes.iter().copied().map(BlobHash).collect())
}

fn giving(hash: BlobHash, length: usize) -> Bytes {
    let mut out = BytesMut::from(&hashes_after(&[hash])[..]);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.freeze()
}

fn given(head: &[u8]) -> Option<(BlobHash, usize)> {
    let (&VERSION, rest) = head.split_first()? else { return None };
    let (hash, length) = rest.split_first_chunk::<32>()?;
    Some((BlobHash(*hash), bounded(length)?))
}

fn taken(length: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(5);
    out.put_u8(VERSION);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.freeze()
}

fn taken_length(head: &[u8]) -> Option<usize> {
    let (&VERSION, length) = head.split_first()? else { return None };
    bounded(length)
}

/// A length is looked at before memory is taken for it.
fn bounded(length: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    (length <= MAX_BLOB_BYTES).then_some(length)
}

#[cfg(test)]
mod tests {
    use storage::{BlobHash, MAX_BLOB_BYTES};

    use super::{MOST_HASHES, given, giving, hashes_after, hashes_in, taken, taken_length};

    #[test]
    fn the_bytes_are_pinned() {
        let (one, two) = (BlobHash([1; 32]), BlobHash([2; 32]));
        let bytes = hashes_after(&[one, two]);
        assert_eq!(bytes[..], [&[1][..], &[1; 32], &[2; 32]].concat());
        assert_eq!(hashes_in(&bytes), Some(vec![one, two]));
        assert_eq!((hashes_after(&[]).as_ref(), hashes_in(&[1])), (&[1][..], Some(vec![])));
        let bytes = giving(two, 0x0001_0203);
        assert_eq!(bytes[..], [&[1][..], &[2; 32], &[0, 1, 2, 3]].concat());
        assert_eq!(given(&bytes), Some((two, 0x0001_0203)));
        assert_eq!(taken(0x0001_0203)[..], [1, 0, 1, 2, 3]);
        assert_eq!(taken_length(&taken(0x0001_0203)), Some(0x0001_0203));
    }

    #[test]
    fn strange_bytes_are_refused() {
        let hash = BlobHash([1; 32]);
        let long = hashes_after(&vec![hash; MOST_HASHES + 1]);
        for strange in [&[][..], &[2], &[1, 1], &hashes_after(&[hash])[..32], &long] {
            assert_eq!(hashes_in(strange), None);
        }
        assert_eq!(given(&giving(hash, MAX_BLOB_BYTES + 1)), None);
        assert_eq!(given(&giving(hash, 1)[..36]), None);
        assert_eq!(taken_length(&taken(MAX_BLOB_BYTES as u64 + 1)), None);
        assert_eq!((taken_length(&[2, 0, 0, 0, 0]), taken_length(&[1, 0])), (None, None));
    }
}
