//! Commands go into the log in rounds: who comes while a round is on its way to a majority waits for the next one, and
//! shares its message to the core, its append, its fsyncs, its message to each peer and its run of apply.
//!
//! Without it a command went off as it came: an order of 64 clients at one node took 0.48 fsyncs, and takes 0.17. A lone
//! command waits for nobody. (Nagle's rule, RFC 896, for a log.)

use std::time::Duration;

use openraft::{impls::ProgressResponder, raft::ClientWriteResult};
use tokio::{sync::mpsc, time::timeout};

use crate::types::{Command, Raft, TypeConfig};

/// The longest that a command waits for the round before its own: a round trip that takes longer is overlapped.
const LONGEST_WAIT: Duration = Duration::from_millis(5);

/// The most commands in one round.
const MOST: usize = 1024;

/// What the core says to a command.
pub(crate) type Written = ClientWriteResult<TypeConfig>;

/// A command on its way to the core, and whom to tell.
struct Proposal {
    command: Command,
    tell: ProgressResponder<TypeConfig, Written>,
}

/// Where commands wait for their round.
#[derive(Clone)]
pub(crate) struct Rounds(mpsc::UnboundedSender<Proposal>);

/// The other end, for [`Waiting::propose`].
pub(crate) struct Waiting(mpsc::UnboundedReceiver<Proposal>);

/// How many wait is bounded by the permits of those who propose.
pub(crate) fn rounds() -> (Rounds, Waiting) {
    let (proposals, waiting) = mpsc::unbounded_channel();
    (Rounds(proposals), Waiting(waiting))
}

/// Nothing takes commands any more.
pub(crate) struct Stopped;

impl Rounds {
    /// Puts a command into the next round and waits until it is applied. Once this is called, it may take effect whether
    /// or not anybody waits.
    pub(crate) async fn write(&self, command: Command) -> Result<Written, Stopped> {
        let (tell, told) = ProgressResponder::complete_only();
        self.0.send(Proposal { command, tell }).map_err(|_| Stopped)?;
        told.await.map_err(|_| Stopped)
    }
}

impl Waiting {
    /// Gives one round after the other to the core, until the core ends or nobody proposes any more.
    pub(crate) async fn propose(mut self, raft: Raft) {
        let mut committed = raft.watch_commit_progress();
        let mut round = Vec::new();
        while self.0.recv_many(&mut round, MOST).await > 0 {
            for Proposal { command, tell } in round.drain(..) {
                // All of them are in the core's queue before it runs again, because it runs on this thread.
                if raft.client_write_ff(command, Some(tell)).await.is_err() {
                    return;
                }
            }
            // After the commands in the core's queue.
            let Ok(last) = raft.with_raft_state(|state| state.log_ids.last().cloned()).await else { return };
            // Not committed in that time, or never because this node does not lead: the next ones need not wait for it.
            let _ = timeout(LONGEST_WAIT, committed.wait_until_ge(&last)).await;
        }
    }
}
