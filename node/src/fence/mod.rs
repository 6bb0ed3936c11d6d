//! Compares this node's digests with the others', and takes it out of service when a majority of voters says that its
//! state is wrong, or a scrub finds that its records are damaged and a majority of the others is there.
//!
//! A fenced node serves nobody any more, hands over the lead if it has it, notes that it needs a fresh copy, and
//! starts again with that (`rejoin.rs`). Without a majority there is an alarm and nothing else: a repair could take the wrong side.

mod judge;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use raft::{Member, Role, Status};

use crate::data_dir::DataDir;
use crate::peers::{DigestAt, Report};
use crate::peers_file::PeersFile;
use crate::rejoin;
use crate::replica::Replica;
use crate::telemetry::Metrics;

pub use judge::{Verdict, judge};

/// How often digests are compared.
const EVERY: Duration = Duration::from_secs(5);
/// How long a leader may take to hand over before it simply stops.
const HAND_OVER: Duration = Duration::from_secs(5);

/// How the reason of a fenced node begins, for whoever hears of it.
pub const MARK: &str = "fenced: ";

/// Why this node is out of service. `tables` are the prefixes of those that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A majority of voters has another digest.
    Outvoted { index: u64, tables: Vec<u8> },
    /// Its records are not what its own digests say.
    Damaged { tables: Vec<u8> },
}

impl Reason {
    pub fn tables(&self) -> &[u8] {
        match self {
            Reason::Outvoted { tables, .. } | Reason::Damaged { tables } => tables,
        }
    }
}

/// Tables as people know them.
pub fn named(tables: &[u8]) -> String {
    let names: Vec<String> = tables.iter().map(|prefix| shop::tables::called(*prefix)).collect();
    names.join(", ")
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables = named(self.tables());
        match self {
            Reason::Outvoted { index, .. } => {
                write!(f, "{MARK}a majority has another state at index {index} (tables {tables})")
            }
            Reason::Damaged { .. } => {
                write!(f, "{MARK}records of this node are not what its digests say (tables {tables})")
            }
        }
    }
}

/// Whether this node is out of service. Once it is, it stays so until it starts again. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<OnceLock<Reason>>);

impl Fence {
    /// Out of service from now on; an earlier reason stays.
    pub(crate) fn shut(&self, reason: Reason) -> &Reason {
        self.0.get_or_init(|| reason)
    }

    /// Why it is, if it is.
    pub fn reason(&self) -> Option<&Reason> {
        self.0.get()
    }

    /// Compares again and again; returns when this node was outvoted, has noted it, and leads no more.
    pub async fn watch(&self, replica: &Replica, directory: &DataDir, metrics: &Metrics) -> Reason {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Some(reason) = self.look(replica, directory, metrics).await {
                return reason;
            }
        }
    }

    /// Compares once.
    pub async fn look(&self, replica: &Replica, directory: &DataDir, metrics: &Metrics) -> Option<Reason> {
        let status = replica.host.status();
        let others = others(&status);
        if others.is_empty() {
            return None;
        }
        let statuses = replica.peers.statuses(others.iter().map(|member| member.id)).await;
        let told: BTreeMap<u64, Vec<DigestAt>> =
            statuses.into_iter().filter_map(|(id, told)| Some((id, told.ok()?.digests))).collect();
        let mine = replica.peers.status(status.node).await.map(|report| report.digests).unwrap_or_default();
        let voters = status.members.iter().filter(|member| member.voter).map(|member| member.id).collect();
        let verdict = judge(&mine, &voters, &told);
        metrics.storage.digests_differ(matches!(verdict, Verdict::Outvoted { .. } | Verdict::Split { .. }));
        match verdict {
            Verdict::Unknown | Verdict::Same { .. } => None,
            Verdict::Split { index, tables, with } => {
                tracing::error!(
                    index,
                    tables = named(&tables),
                    ?with,
                    "states differ and no majority says which is right"
                );
                None
            }
            Verdict::Outvoted { index, tables, majority } => {
                tracing::error!(
                    index,
                    tables = named(&tables),
                    ?majority,
                    "this node's state is wrong: it serves no more"
                );
                let majority: Vec<u64> = majority.into_iter().collect();
                let reason = Reason::Outvoted { index, tables };
                Some(self.close(reason, replica, directory.root(), metrics, &majority).await)
            }
        }
    }

    /// Takes a node out of service whose records are damaged, if more than half of the voters answer without it: they can go on,
    /// and one of them gives it a copy. Else nothing happens, and `None` says so.
    pub async fn close_damaged(
        &self,
        tables: &[u8],
        replica: &Replica,
        root: &Path,
        metrics: &Metrics,
    ) -> Option<Reason> {
        let status = replica.host.status();
        let voters = status.members.iter().filter(|member| member.voter).count();
        let asked: Vec<u64> =
            others(&status).into_iter().filter(|member| member.voter).map(|member| member.id).collect();
        let statuses = replica.peers.statuses(asked).await;
        let is_right = |told: &Report| !told.condition.unready.iter().any(|why| why.starts_with(MARK));
        let there: Vec<u64> = statuses
            .into_iter()
            .filter(|(_, told)| told.as_ref().is_ok_and(is_right))
            .map(|(id, _)| id)
            .collect();
        if there.len() * 2 <= voters {
            return None;
        }
        let reason = Reason::Damaged { tables: tables.to_vec() };
        Some(self.close(reason, replica, root, metrics, &there).await)
    }

    /// Out of service, noted for the next start, and leading no more.
    async fn close(
        &self,
        reason: Reason,
        replica: &Replica,
        root: &Path,
        metrics: &Metrics,
        successors: &[u64],
    ) -> Reason {
        let reason = self.shut(reason).clone();
        metrics.storage.fenced();
        let status = replica.host.status();
        let addresses =
            others(&status).into_iter().map(|member| (member.id, member.info.cluster.clone())).collect();
        if let Err(error) = PeersFile::within(root).write(&addresses) {
            tracing::warn!(%error, "the addresses of the other nodes could not be kept");
        }
        if let Err(error) = rejoin::request(root, &reason.to_string()) {
            tracing::error!(%error, "that this node needs a fresh copy could not be noted");
        }
        hand_over(replica, successors).await;
        reason
    }
}

fn others(status: &Status) -> Vec<&Member> {
    status.members.iter().filter(|member| member.id != status.node).collect()
}

/// Asks one of `to` after the other to lead, if this node does.
async fn hand_over(replica: &Replica, to: &[u64]) {
    let until = Instant::now() + HAND_OVER;
    for id in to {
        if replica.host.status().role != Role::Leader || Instant::now() >= until {
            return;
        }
        if let Err(error) = replica.host.transfer_leader(*id, until.into()).await {
            tracing::warn!(to = id, %error, "the lead was not handed over");
        }
    }
}
