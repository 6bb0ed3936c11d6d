//! What this program makes of the cluster's active version: whether it can serve a state at all, how it may store it, and
//! which commands may go into the log already. The levels themselves are [`shop::level`]'s.

use raft::{Consistency, Host};
use shop::apply::level_too_low;
use shop::cluster;
use shop::level::{FIRST_LEVEL, LEVELS, Levels};
use shop::{Envelope, Reply, Timestamp};
use storage::{Fault, Store};
use tokio::time::Instant;

use crate::gateway::STORE;

/// This program cannot compute what the cluster computes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster's active version is {active}, and this program ({}) supports {} to {}: {}",
    env!("CARGO_PKG_VERSION"), .supports.least, .supports.most, self.advice()
)]
pub struct Unsupported {
    pub active: u32,
    pub supports: Levels,
    /// The version of the program that raised it.
    pub raised_by: Option<String>,
}

impl Unsupported {
    fn advice(&self) -> String {
        match &self.raised_by {
            _ if self.active < self.supports.least => format!(
                "it would skip a version; install an earlier one that supports {}, upgrade all nodes to it, and end that \
                 upgrade with `shopctl upgrade finalize` first",
                self.active
            ),
            Some(program) => format!("install version {program} or a later one"),
            None => "install the version that the other nodes run".to_owned(),
        }
    }
}

/// Whether a program that supports these levels can serve this state.
///
/// # Errors
/// A fault of the store.
pub fn check(store: &Store, supports: Levels) -> Result<Result<(), Unsupported>, Fault> {
    let view = store.view();
    let active = raft::active_version(&view)?;
    if supports.has(active) {
        return Ok(Ok(()));
    }
    let raise = cluster::raise(&view.in_scope(STORE), active)?;
    Ok(Err(Unsupported { active, supports, raised_by: raise.map(|raise| raise.program) }))
}

/// Whether this program can go on from a backup, or join a cluster, with this active version.
///
/// # Errors
/// When it cannot.
pub fn check_version(active: u32) -> Result<(), Unsupported> {
    match LEVELS.has(active) {
        true => Ok(()),
        false => Err(Unsupported { active, supports: LEVELS, raised_by: None }),
    }
}

/// From this active version on the state may be in blocks, and a log that is there already be brought into segments: programs
/// that cannot read them are never put back then.
const NEW_FILES_SINCE: u32 = 7;

/// Lets the state's next files have blocks, if no earlier program will open them.
pub fn allow_blocks(store: &Store, active: u32) {
    if active >= NEW_FILES_SINCE {
        store.allow_blocks();
    }
}

/// Whether a log that is there may be brought into a format that no earlier program can open.
pub fn allows_newest_log(active: u32) -> bool {
    active >= NEW_FILES_SINCE
}

/// The refusal of a command that the cluster is not ready for: in the log it would stop every node that does not know it.
/// Asked before anything is proposed, by whoever proposes.
pub async fn refusal(host: &Host, envelope: &Envelope, deadline: Instant) -> Option<Reply> {
    if envelope.command.needs_level() <= FIRST_LEVEL {
        return None;
    }
    level_too_low(&envelope.command, host.active_version())?;
    // This node may be behind the raise; when nobody can say, it is no time for such a command either.
    let _ = host.read(Consistency::Linearizable, None, deadline).await;
    let status = host.status();
    let rejection = level_too_low(&envelope.command, status.active_version)?;
    let at = Timestamp::from_millis(status.last_stamp_ms);
    Some(Reply { result: Err(rejection), index: status.applied_index, at, replayed: false })
}

#[cfg(test)]
mod tests {
    use storage::Store;

    use super::{Levels, Unsupported, allow_blocks, allows_newest_log};

    #[test]
    fn files_may_be_in_new_formats_when_no_earlier_program_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_dir(directory.path(), 0).unwrap();
        for (active, may) in [(1, false), (6, false), (7, true)] {
            allow_blocks(&store, active);
            assert_eq!(store.wants_blocks(), may, "{active}");
            assert_eq!(allows_newest_log(active), may, "{active}");
        }
    }

    #[test]
    fn the_advice_says_what_to_install() {
        let check = |active, raised_by: Option<&str>, expect: &str| {
            let supports = Levels { least: 2, most: 3 };
            let text = Unsupported { active, supports, raised_by: raised_by.map(str::to_owned) }.to_string();
            assert!(text.contains("supports 2 to 3") && text.contains(expect), "{text}");
        };
        check(4, Some("0.9.0"), "install version 0.9.0 or a later one");
        check(4, None, "the version that the other nodes run");
        check(1, Some("0.9.0"), "it would skip a version; install an earlier one that supports 1");
    }
}
