//! What is counted of each peer: only of peers whose address is known, and not of those that were removed, so there are never
//! more than members.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{error::NetError, transport::NodeId};

/// How the exchange with one peer goes. Counts are since the endpoint was made, over all connections with the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerTally {
    pub peer: NodeId,
    /// Whether a connection is open whose hello was answered, in either direction.
    pub connected: bool,
    /// How many such connections are open: the steady ones, and one for each channel that has its own.
    pub connections: u64,
    /// The protocol that is spoken on them; the oldest, while connections from before an upgrade are open still.
    pub protocol: Option<u16>,
    /// The smoothed round-trip time (RFC 9002, section 5.3) of the fastest of them.
    pub round_trip: Option<Duration>,
    /// UDP payload, handshakes and what was sent again included.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Calls that wait for their answer.
    pub in_flight: u64,
    /// Calls and channels that came to nothing: no connection, no answer in time, or lost on the way.
    pub failures: u64,
    /// Times that the steady connection was lost and made again.
    pub reconnects: u64,
}

/// The counters that are kept between connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    in_flight: AtomicU64,
    failures: AtomicU64,
    reconnects: AtomicU64,
}

/// A call that is counted as under way until dropped.
pub(super) struct InFlight(Counters);

impl Counters {
    pub(super) fn begin(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Counts what came to nothing. A refusal is an answer.
    pub(super) fn ended<T>(&self, result: &Result<T, NetError>) {
        if let Err(error) = result
            && !matches!(error, NetError::Refused { .. })
        {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn reconnected(&self) {
        self.0.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// In flight, failures, reconnects.
    pub(super) fn read(&self) -> (u64, u64, u64) {
        let counts = &*self.0;
        let [in_flight, failures, reconnects] = [&counts.in_flight, &counts.failures, &counts.reconnects]
            .map(|count| count.load(Ordering::Relaxed));
        (in_flight, failures, reconnects)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
