//! The other nodes, as this one is connected with them. One series for each peer: a cluster has few.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use net::{NodeId, PeerTally};
use prometheus::{Error, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec};

use super::Register;

#[derive(Debug)]
pub struct NetMetrics {
    connected_peers: IntGauge,
    connected: IntGaugeVec,
    connections: IntGaugeVec,
    protocol: IntGaugeVec,
    round_trip: GaugeVec,
    sent: IntCounterVec,
    received: IntCounterVec,
    in_flight: IntGaugeVec,
    failures: IntCounterVec,
    reconnects: IntCounterVec,
    /// Of whom there are series.
    told: Mutex<BTreeSet<NodeId>>,
}

impl NetMetrics {
    pub(super) fn new(register: &Register) -> Result<NetMetrics, Error> {
        let peer = &["peer"];
        let connected_peers = "Nodes with which there is a connection whose hello was answered.";
        let connected = "Whether there is such a connection with the peer.";
        let connections =
            "Open connections with the peer: the steady ones, and one for each copy of the state under way.";
        let protocol = "The protocol that is spoken with the peer; the oldest, if connections differ.";
        let round_trip = "Smoothed round-trip time to the peer.";
        let sent = "UDP payload sent to the peer.";
        let received = "UDP payload received from the peer.";
        let in_flight = "Calls of this node that the peer has not answered yet.";
        let failures = "Calls and channels to the peer that came to nothing; what it refused is not counted.";
        let reconnects = "Times that the connection to the peer was lost and made again.";
        Ok(NetMetrics {
            connected_peers: register.gauge("net_connected_peers", connected_peers)?,
            connected: register.gauges("net_peer_connected", connected, peer)?,
            connections: register.gauges("net_peer_connections", connections, peer)?,
            protocol: register.gauges("net_peer_protocol", protocol, peer)?,
            round_trip: register.float_gauges("net_peer_round_trip_seconds", round_trip, peer)?,
            sent: register.counters("net_peer_sent_bytes_total", sent, peer)?,
            received: register.counters("net_peer_received_bytes_total", received, peer)?,
            in_flight: register.gauges("net_peer_calls_in_flight", in_flight, peer)?,
            failures: register.counters("net_peer_failures_total", failures, peer)?,
            reconnects: register.counters("net_peer_reconnects_total", reconnects, peer)?,
            told: Mutex::default(),
        })
    }

    /// Takes over what the endpoint has counted. Peers that are not among these have no series any more.
    pub fn sample(&self, tally: &[PeerTally]) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeSet<NodeId> = tally.iter().map(|peer| peer.peer).collect();
        told.difference(&now).for_each(|gone| self.forget(*gone));
        *told = now;
        self.connected_peers.set(tally.iter().filter(|peer| peer.connected).count() as i64);
        for peer in tally {
            let name = peer.peer.to_string();
            let label = &[name.as_str()];
            self.connected.with_label_values(label).set(peer.connected.into());
            self.connections.with_label_values(label).set(peer.connections as i64);
            self.in_flight.with_label_values(label).set(peer.in_flight as i64);
            match peer.protocol {
                Some(protocol) => self.protocol.with_label_values(label).set(protocol.into()),
                // An error means that there is no such series.
                None => drop(self.protocol.remove_label_values(label)),
            }
            match peer.round_trip {
                Some(time) => self.round_trip.with_label_values(label).set(time.as_secs_f64()),
                // An old time would look like a measurement. An error means that there is none.
                None => drop(self.round_trip.remove_label_values(label)),
            }
            for (counter, total) in [
                (&self.sent, peer.sent_bytes),
                (&self.received, peer.received_bytes),
                (&self.failures, peer.failures),
                (&self.reconnects, peer.reconnects),
            ] {
                let counter = counter.with_label_values(label);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
        }
    }

    fn forget(&self, peer: NodeId) {
        let name = peer.to_string();
        let label = &[name.as_str()];
        // Errors mean that there is no such series.
        let _ = self.connected.remove_label_values(label);
        let _ = self.connections.remove_label_values(label);
        let _ = self.protocol.remove_label_values(label);
        let _ = self.round_trip.remove_label_values(label);
        let _ = self.in_flight.remove_label_values(label);
        for counter in [&self.sent, &self.received, &self.failures, &self.reconnects] {
            let _ = counter.remove_label_values(label);
        }
    }
}
