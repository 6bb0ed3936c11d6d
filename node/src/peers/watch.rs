//! Who of the members is there: each is asked again and again, and counts as gone when it has not answered for a while.
//!
//! It is for sharing out work and reads, where a wrong guess costs a little time. Who may lead or vote is raft's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Peers;
use super::status::{Asked, Report};

/// From one round of questions to the next.
const ROUND: Duration = Duration::from_millis(500);
/// A member that has not answered for so long is gone: two questions were lost, or one and its answer was late.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The members as this node finds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// Who answers and does background work, and those of whom it is not known yet.
    pub workers: BTreeSet<NodeId>,
    /// Those of them that take more of it: they do not drain, and have been ready before. One that still receives its
    /// copy of the state could not take a lease, and its share would wait for it.
    pub willing: BTreeSet<NodeId>,
}

/// Who is told, while somebody listens.
#[derive(Debug, Default)]
pub(super) struct Watching(Mutex<Option<Arc<watch::Sender<Present>>>>);

impl Watching {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<watch::Sender<Present>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody listens any more. Judged under the lock, so that nobody begins to meanwhile.
    fn is_over(&self, tell: &watch::Sender<Present>) -> bool {
        let mut watching = self.lock();
        let is_over = tell.is_closed();
        if is_over {
            *watching = None;
        }
        is_over
    }
}

/// What is remembered of one member.
struct Seen {
    answered: Instant,
    report: Option<Report>,
    /// Whether it was ready once. A node that is not for a moment, as in an election, keeps its work.
    has_served: bool,
}

impl Seen {
    fn now() -> Seen {
        Seen { answered: Instant::now(), report: None, has_served: false }
    }
}

impl Peers {
    /// Asks on until all receivers are gone, once for all of them. Begins with everybody present: nobody is gone before it
    /// was asked.
    pub fn watch(&self) -> watch::Receiver<Present> {
        let mut watching = self.0.watching.lock();
        if let Some(tell) = &*watching {
            return tell.subscribe();
        }
        let (tell, present) = watch::channel(Present::default());
        let tell = Arc::new(tell);
        *watching = Some(tell.clone());
        let peers = self.clone();
        let mut seen = BTreeMap::new();
        tell.send_replace(peers.present(&mut seen));
        tokio::spawn(async move {
            while !peers.0.watching.is_over(&tell) {
                let began = Instant::now();
                peers.round(&mut seen).await;
                let now = peers.present(&mut seen);
                tell.send_if_modified(|before| {
                    let changed = *before != now;
                    *before = now;
                    changed
                });
                tokio::time::sleep_until(began + ROUND).await;
            }
        });
        present
    }

    /// Asks every other member once, all at the same time.
    async fn round(&self, seen: &mut BTreeMap<NodeId, Seen>) {
        let own = self.node();
        let others: Vec<NodeId> = seen.keys().copied().filter(|id| *id != own).collect();
        let asked =
            others.into_iter().map(|node| async move { (node, self.ask(node, Asked::new(false)).await) });
        for (node, answer) in futures::future::join_all(asked).await {
            if let (Ok(report), Some(seen)) = (answer, seen.get_mut(&node)) {
                self.0.heard.note(node, &report.condition);
                let has_served = seen.has_served || report.condition.unready.is_empty();
                *seen = Seen { answered: Instant::now(), report: Some(report), has_served };
            }
        }
    }

    /// Brings the list of members up to date and judges it.
    fn present(&self, seen: &mut BTreeMap<NodeId, Seen>) -> Present {
        let status = self.0.host.status();
        let members: BTreeSet<NodeId> = status.members.iter().map(|member| member.id).collect();
        seen.retain(|node, _| members.contains(node));
        self.0.heard.retain(|node| members.contains(&node));
        for node in members {
            seen.entry(node).or_insert_with(Seen::now);
        }
        let mut present = Present::default();
        for (node, seen) in seen.iter_mut() {
            let own = (*node == status.node).then(|| self.0.condition());
            seen.has_served |= own.as_ref().is_some_and(|condition| condition.unready.is_empty());
            let condition = own.as_ref().or_else(|| seen.report.as_ref().map(|report| &report.condition));
            if own.is_none() && seen.answered.elapsed() >= PATIENCE {
                continue;
            }
            if condition.is_none_or(|condition| condition.works) {
                present.workers.insert(*node);
            }
            if condition.is_none_or(|condition| condition.works && !condition.draining && seen.has_served) {
                present.willing.insert(*node);
            }
        }
        present
    }
}
