//! The replicated state machine, as raft sees it: bytes in, bytes out.

use storage::{Fault, Txn};

/// One committed command, on its way into the state.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its place in the log.
    pub index: u64,
    /// The term of the leader that proposed it.
    pub term: u64,
    /// Milliseconds since the Unix epoch: the leader's stamp, but never before an earlier entry's.
    pub now_ms: u64,
    /// The only randomness that applying it may use.
    pub seed: [u8; 16],
    /// The rules by which to compute.
    pub active_version: u32,
    /// The command.
    pub payload: &'a [u8],
}

/// A deterministic state machine. Every node calls it with the same entries in the same order and must get the
/// same state and the same answers: no clock, no randomness, no files, no iteration in hash order.
pub trait Machine: Send + 'static {
    /// Applies one command. The transaction stands at a savepoint: [`Txn::rollback`] undoes what this call did,
    /// and whatever is left when it returns is kept. The bytes returned go to whoever submitted the command.
    ///
    /// # Errors
    /// A fault is fatal to the node. A refusal is an answer, not an error.
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault>;

    /// By which rules everything after the entry that was just applied is computed, if that entry has changed them.
    /// Asked after each entry; tells it once. Rules that [`crate::Config::supports`] does not have stop the node.
    fn raised(&mut self) -> Option<u32> {
        None
    }

    /// Everything up to `index` is committed and visible to readers. Called before submitters get their answers.
    fn committed(&mut self, index: u64);

    /// A snapshot at `index` replaced the state: forget everything derived from the old one.
    fn restored(&mut self, index: u64);
}
