//! The blobs of the cluster, which are images: on a majority of the voters before anything names them, on every node soon after.
//!
//! Nothing of this goes through the log. A blob is its hash, so that it does not matter who had it first, and giving it
//! twice does no harm. Nothing removes one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use net::NodeId;
use raft::Host;
use shop::catalog::ImageType;
use storage::{BlobHash, BlobStore, Fault};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::gateway::Unserved;
use crate::leisure::LONGEST_REST;
use crate::peers::{MOST_HASHES, Peers, put_blob};

/// How long a node may take to say what it has.
const ASK_LIMIT: Duration = Duration::from_millis(500);
/// How long a page of a listing may take: nobody waits for it.
const LIST_LIMIT: Duration = Duration::from_secs(5);
/// Requests that wait for other nodes' bytes at once, each with one blob in memory.
const FETCHED_AT_ONCE: usize = 8;
/// How long a request waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(1);
/// How often a node asks another one what it has; and after it was not told.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// An image that is about to be shown, from its file.
#[derive(Debug)]
pub struct Image {
    pub file: File,
    pub bytes: u64,
    /// By its first bytes.
    pub format: Option<ImageType>,
}

impl Image {
    /// Looks for it among these. It blocks.
    ///
    /// # Errors
    /// As [`BlobStore::find`].
    pub fn find(store: &BlobStore, hash: BlobHash) -> Result<Option<Image>, Fault> {
        let Some((mut file, bytes)) = store.find(hash)? else { return Ok(None) };
        let reading = |error| Fault::io("read", "a blob", error);
        let mut first = Vec::with_capacity(64);
        (&mut file).take(64).read_to_end(&mut first).map_err(reading)?;
        file.rewind().map_err(reading)?;
        Ok(Some(Image { file, bytes, format: ImageType::of(&first) }))
    }
}

/// The blobs, as this node has them and gets them. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    pub store: Arc<BlobStore>,
    host: Host,
    peers: Peers,
    turns: Arc<Semaphore>,
}

/// Who has which, of those that have said so.
struct Told {
    answered: BTreeSet<NodeId>,
    /// In the order of the question.
    holders: Vec<BTreeSet<NodeId>>,
}

impl Told {
    fn note(&mut self, node: NodeId, has: Vec<bool>) {
        self.answered.insert(node);
        for (holders, _) in self.holders.iter_mut().zip(has).filter(|(_, has)| *has) {
            holders.insert(node);
        }
    }
}

impl Blobs {
    /// Shares `store` with the peers from now on.
    pub fn new(store: Arc<BlobStore>, host: Host, peers: Peers) -> Blobs {
        peers.share_blobs(store.clone());
        Blobs { store, host, peers, turns: Arc::new(Semaphore::new(FETCHED_AT_ONCE)) }
    }

    /// Keeps a blob here and on a majority of the voters.
    ///
    /// # Errors
    /// `NoQuorum` when fewer say that they have it; some may. `NotReady` when this node's disk refuses it.
    pub async fn keep(&self, bytes: Bytes) -> Result<BlobHash, Unserved> {
        let hash = self.keep_here(bytes.clone()).await?;
        self.spread(hash, bytes, BTreeSet::from([self.peers.node()])).await?;
        Ok(hash)
    }

    /// The image of this name: this node's own, or another's, which is this node's then. `None` when there is none.
    ///
    /// # Errors
    /// `NoQuorum` when it is not here and too few nodes say whether they have it.
    pub async fn image(&self, hash: BlobHash) -> Result<Option<Image>, Unserved> {
        if let Some(image) = self.image_here(hash).await {
            return Ok(Some(image));
        }
        let turn = timeout(TURN_LIMIT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Unserved::Overloaded)?;
        // Whoever had the turn before may have brought it.
        if let Some(image) = self.image_here(hash).await {
            return Ok(Some(image));
        }
        let told = self.ask(&[hash], |told| !told.holders[0].is_empty()).await;
        if told.holders[0].is_empty() {
            return if self.is_majority(&told.answered) { Ok(None) } else { Err(Unserved::NoQuorum) };
        }
        for node in &told.holders[0] {
            if self.fetch(*node, hash).await {
                return Ok(self.image_here(hash).await);
            }
        }
        Err(Unserved::NotReady)
    }

    /// Sees to it that each of these is on a majority of the voters. Returns those that nobody has.
    ///
    /// # Errors
    /// As [`Blobs::keep`] and [`Blobs::image`].
    pub async fn confirm(&self, hashes: Vec<BlobHash>) -> Result<Vec<BlobHash>, Unserved> {
        let mut missing = Vec::new();
        for hashes in hashes.chunks(MOST_HASHES) {
            let all = |told: &Told| told.holders.iter().all(|holders| self.is_majority(holders));
            let told = self.ask(hashes, all).await;
            for (hash, holders) in hashes.iter().copied().zip(told.holders) {
                if self.is_majority(&holders) {
                    continue;
                }
                if holders.is_empty() && self.is_majority(&told.answered) {
                    missing.push(hash);
                    continue;
                }
                let bytes = self.bytes(hash, &holders).await.ok_or(Unserved::NoQuorum)?;
                self.spread(hash, bytes, holders).await?;
            }
        }
        Ok(missing)
    }

    /// Brings here what all others have, as far as they answer.
    pub async fn gather(&self) {
        for turn in 0..self.others().len() {
            self.catch_up(turn).await;
        }
    }

    /// Brings here what other nodes have, until dropped: a node that has joined, or was away, gets all there is.
    pub async fn follow(self) {
        for turn in 0.. {
            let caught_up = self.catch_up(turn).await;
            tokio::time::sleep(if caught_up { LOOK_EVERY } else { LOOK_AGAIN }).await;
        }
    }

    /// Brings here what one of the others has. Says whether that is done.
    async fn catch_up(&self, turn: usize) -> bool {
        let others = self.others();
        let Some(node) = turn.checked_rem(others.len()).map(|at| others[at]) else { return false };
        let (mut after, mut brought, mut failed) = (None, 0, 0);
        while let Some(page) = self.peers.list_blobs(node, after, Instant::now() + LIST_LIMIT).await {
            after = page.last().copied();
            for hash in page.into_iter().filter(|hash| !self.store.contains(*hash)) {
                match self.fetch(node, hash).await {
                    true => brought += 1,
                    false => failed += 1,
                }
                tokio::time::sleep(LONGEST_REST / 4).await;
            }
            if after.is_none() {
                if brought + failed > 0 {
                    tracing::info!(node, brought, failed, "images of another node");
                }
                return failed == 0;
            }
        }
        false
    }

    /// Gives a blob to voters until a majority has it.
    async fn spread(
        &self,
        hash: BlobHash,
        bytes: Bytes,
        mut holders: BTreeSet<NodeId>,
    ) -> Result<(), Unserved> {
        let lacking = self.voters().into_iter().filter(|node| !holders.contains(node));
        let mut gifts: FuturesUnordered<_> = lacking
            .map(|node| {
                let bytes = bytes.clone();
                async move { (node, self.give(node, hash, bytes).await) }
            })
            .collect();
        while !self.is_majority(&holders) {
            match gifts.next().await {
                Some((node, given)) if given => {
                    holders.insert(node);
                }
                Some(_) => {}
                None => return Err(Unserved::NoQuorum),
            }
        }
        Ok(())
    }

    async fn give(&self, node: NodeId, hash: BlobHash, bytes: Bytes) -> bool {
        if node == self.peers.node() {
            return self.keep_here(bytes).await.is_ok();
        }
        let given = self.peers.give_blob(node, hash, bytes).await;
        given.inspect_err(|why| tracing::debug!(node, %hash, why, "a blob was not given")).is_ok()
    }

    /// Takes a blob from `node` and keeps it here.
    async fn fetch(&self, node: NodeId, hash: BlobHash) -> bool {
        let fetched = async { put_blob(&self.store, hash, self.peers.take_blob(node, hash).await?).await };
        fetched.await.inspect_err(|why| tracing::warn!(node, %hash, why, "a blob was not fetched")).is_ok()
    }

    /// The bytes of a blob that some nodes say they have.
    async fn bytes(&self, hash: BlobHash, holders: &BTreeSet<NodeId>) -> Option<Bytes> {
        for node in holders {
            if *node == self.peers.node() || self.fetch(*node, hash).await {
                let store = self.store.clone();
                let read = spawn_blocking(move || store.get(hash)).await.ok()?;
                if let Some(bytes) = read.inspect_err(damaged).ok().flatten() {
                    return Some(bytes.into());
                }
            }
        }
        None
    }

    /// Asks everybody at once, until what was told is enough or all have been asked.
    async fn ask(&self, hashes: &[BlobHash], enough: impl Fn(&Told) -> bool) -> Told {
        let own = self.peers.node();
        let deadline = Instant::now() + ASK_LIMIT;
        let mut told = Told { answered: BTreeSet::new(), holders: vec![BTreeSet::new(); hashes.len()] };
        told.note(own, hashes.iter().map(|hash| self.store.contains(*hash)).collect());
        let mut answers: FuturesUnordered<_> = self
            .others()
            .into_iter()
            .map(|node| async move { (node, self.peers.has_blobs(node, hashes, deadline).await) })
            .collect();
        while !enough(&told)
            && let Some((node, has)) = answers.next().await
        {
            if let Some(has) = has {
                told.note(node, has);
            }
        }
        told
    }

    async fn image_here(&self, hash: BlobHash) -> Option<Image> {
        let store = self.store.clone();
        let found = spawn_blocking(move || Image::find(&store, hash)).await.ok()?;
        // One that is damaged was removed: another node has it.
        found.inspect_err(damaged).ok().flatten()
    }

    async fn keep_here(&self, bytes: Bytes) -> Result<BlobHash, Unserved> {
        let store = self.store.clone();
        let kept = spawn_blocking(move || store.put(&bytes)).await.map_err(|_| Unserved::NotReady)?;
        kept.inspect_err(damaged).map_err(|_| Unserved::NotReady)
    }

    fn others(&self) -> Vec<NodeId> {
        let members = self.host.status().members;
        members.into_iter().map(|member| member.id).filter(|node| *node != self.peers.node()).collect()
    }

    fn voters(&self) -> Vec<NodeId> {
        let members = self.host.status().members;
        members.into_iter().filter(|member| member.voter).map(|member| member.id).collect()
    }

    fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let voters = self.voters();
        voters.iter().filter(|voter| nodes.contains(voter)).count() > voters.len() / 2
    }
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").field("store", &self.store).finish_non_exhaustive()
    }
}

fn damaged(fault: &Fault) {
    tracing::warn!(code = fault.code(), %fault, "a blob of this node cannot be used");
}
