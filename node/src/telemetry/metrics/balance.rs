//! Reads that another node answers.

use prometheus::{Error, IntCounterVec, IntGauge};

use super::Register;

/// What became of a read that this busy node would have let another one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spilled {
    Answered,
    /// Nobody was less busy.
    Kept,
    Late,
    Refused,
    Failed,
    /// The answer was too long to be passed on.
    TooLong,
}

#[derive(Debug)]
pub struct BalanceMetrics {
    spilled: IntCounterVec,
    for_peers: IntCounterVec,
    /// Reads that other nodes are being asked for.
    pub waiting: IntGauge,
    /// Nodes that are set aside.
    pub set_aside: IntGauge,
}

impl BalanceMetrics {
    pub(super) fn new(register: &Register) -> Result<BalanceMetrics, Error> {
        let spilled = "Reads for which this node was busy, by what came of asking a less busy one.";
        let for_peers = "Reads that other nodes passed on to this one, by outcome.";
        let waiting = "Reads that other nodes are being asked for.";
        let set_aside = "Nodes that get no reads from this one for a while, because they failed too often.";
        Ok(BalanceMetrics {
            spilled: register.counters("reads_spilled_total", spilled, &["outcome"])?,
            for_peers: register.counters("reads_for_peers_total", for_peers, &["outcome"])?,
            waiting: register.gauge("reads_spilled_in_flight", waiting)?,
            set_aside: register.gauge("peers_set_aside", set_aside)?,
        })
    }

    pub fn spilled(&self, outcome: Spilled) {
        let outcome = match outcome {
            Spilled::Answered => "answered",
            Spilled::Kept => "kept",
            Spilled::Late => "late",
            Spilled::Refused => "refused",
            Spilled::Failed => "failed",
            Spilled::TooLong => "too_long",
        };
        self.spilled.with_label_values(&[outcome]).inc();
    }

    pub fn for_peer(&self, is_answered: bool) {
        let outcome = if is_answered { "answered" } else { "refused" };
        self.for_peers.with_label_values(&[outcome]).inc();
    }
}
