//! The node as its gateway sees it: commands in, fresh enough state out, how things are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use raft::ReadError;
use shop::cluster::{self, AddAuthority};
use shop::{Code, Envelope, Reply};
use storage::{BlobHash, BlobStore, Fault, Store, View};

use crate::api::cluster::ClusterView;
use crate::auth::Known;
use crate::blobs::Image;
use crate::enrolment;
use crate::gateway::{Consistency, Core, STORE, Unserved};
use crate::membership::{Order, Refusal};
use crate::node::Node;
use crate::proposer::ProposeError;

impl Core for Node {
    fn submit(&self, envelope: Envelope, deadline: Instant) -> BoxFuture<'_, Result<Reply, Unserved>> {
        Box::pin(async move {
            if self.replica.fence.reason().is_some() {
                return Err(Unserved::NotReady);
            }
            let submitted = self.replica.proposer.submit(&envelope, deadline).await;
            submitted.map_err(|error| self.unserved(error))
        })
    }

    fn barrier(
        &self,
        consistency: Consistency,
        min_index: Option<u64>,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), Unserved>> {
        let consistency = match consistency {
            Consistency::Linearizable => raft::Consistency::Linearizable,
            Consistency::Lease => raft::Consistency::Lease,
            Consistency::Local => raft::Consistency::Local,
        };
        Box::pin(async move {
            if self.replica.fence.reason().is_some() {
                return Err(Unserved::NotReady);
            }
            match self.replica.host.read(consistency, min_index, deadline.into()).await {
                Ok(_) => Ok(()),
                Err(ReadError::NoQuorum) => Err(Unserved::NoQuorum),
                Err(ReadError::IndexNotReached { .. }) => Err(Unserved::IndexNotReached),
                Err(_) => Err(self.not_ready()),
            }
        })
    }

    fn applied_index(&self, view: &View<'_>) -> Result<u64, Fault> {
        raft::applied_index(view)
    }

    fn applied(&self) -> u64 {
        *self.replica.host.applied().borrow()
    }

    fn store(&self) -> &Arc<Store> {
        &self.replica.store
    }

    fn known(&self) -> &Known {
        &self.replica.known
    }

    fn unready(&self) -> Vec<String> {
        self.why_unready()
    }

    fn metrics_text(&self) -> Result<String, prometheus::Error> {
        self.replica.sample(&self.metrics);
        self.metrics.net.sample(&self.endpoint.tally());
        self.metrics.render()
    }

    fn active_version(&self) -> u32 {
        self.replica.host.active_version()
    }

    fn silence(&self) -> Option<Duration> {
        self.replica.host.silence()
    }

    fn cluster(&self) -> BoxFuture<'_, ClusterView> {
        Box::pin(self.membership.overview(&self.config.cluster.name))
    }

    fn compact(&self, node: u64, deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            if node == self.identity.node {
                self.compactor.ask();
                return Ok(());
            }
            let asked = self.replica.peers.compact(node, deadline.into()).await;
            asked.map_err(|error| Refusal::new(Code::NotReady, format!("node {node} was not asked: {error}")))
        })
    }

    fn signers(&self) -> BoxFuture<'_, BTreeMap<u64, Option<[u8; 32]>>> {
        Box::pin(async move {
            // A state that cannot be read ends the node by other ways.
            let nodes = {
                let view = self.replica.store.view().in_scope(STORE);
                cluster::nodes(&view).unwrap_or_default()
            };
            let belong = nodes.into_iter().filter(|(_, node)| node.is_member()).map(|(id, _)| id);
            let asked = belong.map(|id| async move { (id, self.replica.peers.authority(id).await) });
            futures::future::join_all(asked).await.into_iter().collect()
        })
    }

    fn new_authority(&self) -> anyhow::Result<AddAuthority> {
        let cluster = self.endpoint.identity().cluster();
        enrolment::new_authority(cluster, &self.seal, &self.clock).map(|(_, command)| command)
    }

    fn heartbeat<'a>(
        &'a self,
        group: &'a str,
        member: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(), Unserved>> {
        Box::pin(self.consumers.heartbeat(&self.replica, group, member, deadline.into()))
    }

    fn blobs(&self) -> &Arc<BlobStore> {
        &self.blobs.store
    }

    fn keep_image(&self, bytes: Bytes) -> BoxFuture<'_, Result<BlobHash, Unserved>> {
        Box::pin(self.blobs.keep(bytes))
    }

    fn image(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<Image>, Unserved>> {
        Box::pin(self.blobs.image(hash))
    }

    fn confirm_images(&self, hashes: Vec<BlobHash>) -> BoxFuture<'_, Result<Vec<BlobHash>, Unserved>> {
        Box::pin(self.blobs.confirm(hashes))
    }

    fn gather_images(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.blobs.gather())
    }

    fn order(&self, order: Order, deadline: Instant) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.membership.order(order, deadline.into()))
    }
}

impl Node {
    fn unserved(&self, error: ProposeError) -> Unserved {
        match error {
            ProposeError::Overloaded => Unserved::Overloaded,
            ProposeError::NoQuorum => Unserved::NoQuorum,
            // What came back cannot be read, but it was carried out: the same key gets the same answer.
            ProposeError::OutcomeUnknown(_) | ProposeError::Reply(_) => Unserved::OutcomeUnknown,
            ProposeError::TooLarge { .. } | ProposeError::Command(_) => Unserved::TooLarge,
            ProposeError::NotLeader
            | ProposeError::NotUnderstood(_)
            | ProposeError::ClockAhead(_)
            | ProposeError::Stopped
            | ProposeError::Random(_) => self.not_ready(),
        }
    }

    fn not_ready(&self) -> Unserved {
        match self.replica.host.faulted().borrow().is_some() {
            true => Unserved::Fault,
            false => Unserved::NotReady,
        }
    }
}
