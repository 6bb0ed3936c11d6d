//! Compares this node's digests with the others', and takes it out of service when a majority of voters says that its
//! state is wrong.
//!
//! A node that is outvoted serves nobody any more, hands over the lead if it has it, notes that it needs a fresh copy, and
//! starts again with that (`rejoin.rs`). Without a majority there is an alarm and nothing else: a repair could take the wrong side.

mod judge;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use raft::{Member, Role};

use crate::data_dir::DataDir;
use crate::peers::DigestAt;
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

/// Why this node is out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outvoted {
    pub index: u64,
    /// The prefixes of the tables that differ.
    pub tables: Vec<u8>,
}

impl std::fmt::Display for Outvoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables: Vec<String> = self.tables.iter().map(|prefix| format!("{prefix:02x}")).collect();
        write!(f, "{MARK}a majority has another state at index {} (tables {})", self.index, tables.join(", "))
    }
}

/// Whether this node was outvoted. Once it is, it stays so until it starts again. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<OnceLock<Outvoted>>);

impl Fence {
    /// Why it was, if it was.
    pub fn outvoted(&self) -> Option<&Outvoted> {
        self.0.get()
    }

    /// Compares again and again; returns when this node was outvoted, has noted it, and leads no more.
    pub async fn watch(&self, replica: &Replica, directory: &DataDir, metrics: &Metrics) -> Outvoted {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Some(outvoted) = self.look(replica, directory, metrics).await {
                return outvoted;
            }
        }
    }

    /// Compares once.
    pub async fn look(&self, replica: &Replica, directory: &DataDir, metrics: &Metrics) -> Option<Outvoted> {
        let status = replica.host.status();
        let others: Vec<&Member> = status.members.iter().filter(|member| member.id != status.node).collect();
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
                tracing::error!(index, tables = ?format_args!("{tables:02x?}"), ?with, "states differ and no majority says which is right");
                None
            }
            Verdict::Outvoted { index, tables, majority } => {
                let outvoted = Outvoted { index, tables };
                tracing::error!(index, tables = ?format_args!("{:02x?}", outvoted.tables), ?majority, "this node's state is wrong: it serves no more");
                let outvoted = self.0.get_or_init(|| outvoted).clone();
                metrics.storage.fenced();
                let addresses =
                    others.iter().map(|member| (member.id, member.info.cluster.clone())).collect();
                if let Err(error) = PeersFile::within(directory.root()).write(&addresses) {
                    tracing::warn!(%error, "the addresses of the other nodes could not be kept");
                }
                if let Err(error) = rejoin::request(directory.root(), &outvoted.to_string()) {
                    tracing::error!(%error, "that this node needs a fresh copy could not be noted");
                }
                hand_over(replica, &majority.into_iter().collect::<Vec<_>>()).await;
                Some(outvoted)
            }
        }
    }
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
