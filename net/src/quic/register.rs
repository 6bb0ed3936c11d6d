//! Every open connection with a node, and the nodes that are refused: a removed node loses what it has at once, in both
//! directions, and gets nothing new.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use quinn::Connection;
use rustls_pki_types::CertificateDer;

use super::endpoint::{CLOSE_REMOVED, CLOSE_RENEWED};
use crate::{identity::is_issued_by, transport::NodeId};

/// Shared by all that accept and dial.
#[derive(Clone, Default)]
pub(super) struct Register(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    /// The peer that said that this node was removed.
    removed_by: Option<NodeId>,
    /// Ids are never used twice, so this only grows.
    refused: BTreeSet<NodeId>,
    /// By peer and connection.
    open: BTreeMap<(NodeId, usize), Open>,
    /// Bytes sent and received over connections that have ended, by peer.
    ended: BTreeMap<NodeId, (u64, u64)>,
}

/// A connection whose hello was answered.
struct Open {
    connection: Connection,
    /// What both sides have agreed on.
    protocol: u16,
}

/// The connections with one peer, summed up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub connections: u64,
    pub protocol: Option<u16>,
    pub round_trip: Option<Duration>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
}

impl Register {
    /// Whether `node` was removed from the cluster.
    pub(super) fn is_refused(&self, node: NodeId) -> bool {
        self.entries().refused.contains(&node)
    }

    /// From now on `node` gets nothing, and what it has is closed. Returns whether that is new.
    pub(super) fn refuse(&self, node: NodeId) -> bool {
        let mut entries = self.entries();
        for (_, open) in entries.open.range((node, 0)..=(node, usize::MAX)) {
            open.connection.close(CLOSE_REMOVED.into(), b"removed from the cluster");
        }
        entries.refused.insert(node)
    }

    /// Notes that `peer` has refused this node because it was removed. That is for good.
    pub(super) fn was_removed(&self, peer: NodeId) {
        self.entries().removed_by.get_or_insert(peer);
    }

    /// The peer that said so first.
    pub(super) fn removed_by(&self) -> Option<NodeId> {
        self.entries().removed_by
    }

    /// Notes a connection, and the protocol spoken on it, until it ends; false, and it is closed, if its peer was refused
    /// meanwhile.
    pub(super) fn enter(&self, peer: NodeId, connection: &Connection, protocol: u16) -> bool {
        let mut entries = self.entries();
        if entries.refused.contains(&peer) {
            connection.close(CLOSE_REMOVED.into(), b"removed from the cluster");
            return false;
        }
        let entry = (peer, connection.stable_id());
        entries.open.insert(entry, Open { connection: connection.clone(), protocol });
        drop(entries);
        let (register, connection) = (self.clone(), connection.clone());
        tokio::spawn(async move {
            connection.closed().await;
            let stats = connection.stats();
            let mut entries = register.entries();
            entries.open.remove(&entry);
            let (sent, received) = entries.ended.entry(peer).or_default();
            (*sent, *received) = (*sent + stats.udp_tx.bytes, *received + stats.udp_rx.bytes);
        });
        true
    }

    /// Closes what was opened with a certificate of an authority that is not trusted any more.
    pub(super) fn close_untrusted(&self, authorities: &[CertificateDer<'static>]) {
        for Open { connection, .. } in self.entries().open.values() {
            let issued = |leaf: &CertificateDer<'static>| {
                authorities.iter().any(|authority| is_issued_by(leaf, authority))
            };
            if !peer_certificate(connection).is_some_and(|leaf| issued(&leaf)) {
                connection.close(CLOSE_RENEWED.into(), b"its certificate is not trusted any more");
            }
        }
    }

    /// What went over all connections with a peer.
    pub(super) fn traffic(&self, peer: NodeId) -> Traffic {
        let entries = self.entries();
        let (sent_bytes, received_bytes) = entries.ended.get(&peer).copied().unwrap_or_default();
        let mut traffic = Traffic { sent_bytes, received_bytes, ..Traffic::default() };
        for (_, Open { connection, protocol }) in entries.open.range((peer, 0)..=(peer, usize::MAX)) {
            let stats = connection.stats();
            traffic.connections += 1;
            traffic.protocol = Some(traffic.protocol.map_or(*protocol, |least| least.min(*protocol)));
            traffic.round_trip =
                Some(traffic.round_trip.map_or(stats.path.rtt, |rtt| rtt.min(stats.path.rtt)));
            traffic.sent_bytes += stats.udp_tx.bytes;
            traffic.received_bytes += stats.udp_rx.bytes;
        }
        traffic
    }

    /// Peers with an open connection.
    pub(super) fn connected(&self) -> Vec<NodeId> {
        let mut peers: Vec<NodeId> = self.entries().open.keys().map(|(peer, _)| *peer).collect();
        peers.dedup();
        peers
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Sets and maps, changed one entry at a time.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The certificate that the peer showed. TLS has checked who signed it.
pub(super) fn peer_certificate(connection: &Connection) -> Option<CertificateDer<'static>> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    chain.first().cloned()
}
