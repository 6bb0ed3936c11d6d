//! Brings a log of an earlier format into ours: a complete new one beside it, which one rename of `FORMAT` puts in its place. A crash
//! before that leaves the earlier one as it was, a crash after it is finished by the next start.

use std::{fs, io, path::Path, sync::Arc};

use super::{earlier::EarlierLog, format, wal::WalLog};
use crate::{
    error::{Fault, FaultLine},
    observer::NoObserver,
};

/// # Errors
/// [`Fault::Log`]: the earlier log is in use or damaged, or there is no room for another one. It is as it was then.
pub(super) fn convert(dir: &Path) -> Result<(), Fault> {
    let failed = |source| Fault::Log { doing: "bringing it into a newer format", source };
    let (earlier, next) = (format::log_dir(dir), format::next_dir(dir));
    let log = EarlierLog::open(&earlier, FaultLine::new(), Arc::new(NoObserver), Box::new(|_| Ok(())))?;
    copy(&log, &next).map_err(failed)?;
    drop(log);
    format::adopt(dir).map_err(failed)?;
    tracing::info!(path = %dir.display(), "the log is in a newer format now");
    Ok(())
}

fn copy(log: &EarlierLog, next: &Path) -> io::Result<()> {
    if next.exists() {
        fs::remove_dir_all(next)?;
    }
    fs::create_dir_all(next)?;
    WalLog::write(next, log.bounds(), |take| log.each(take))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use openraft::{
        EntryPayload, RaftLogReader,
        entry::RaftEntry as _,
        storage::{IOFlushed, RaftLogStorage},
        vote::RaftLeaderId,
    };

    use super::*;
    use crate::{
        log::{DiskLog, Newest, disk::BeforePurge},
        types::{Action, Command, LeaderId, LogId, RaftEntry, Stamp, Vote},
    };

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId::new(3, 1), index)
    }

    fn open(dir: &Path, newest: Newest) -> Result<DiskLog, Fault> {
        let before_purge: BeforePurge = Box::new(|_| Ok(()));
        DiskLog::open(dir, newest, FaultLine::new(), Arc::new(NoObserver), before_purge)
    }

    /// Entries 50 to 149, 30 KiB each, as an earlier program leaves them.
    fn earlier(dir: &Path) {
        let mut log = open(dir, Newest::Never).unwrap();
        assert!(matches!(log, DiskLog::Earlier(_)));
        let entries: Vec<_> = (0..150)
            .map(|index| {
                let action = Action::Apply(vec![index as u8; 30_000].into());
                let command = Command { stamp: Stamp { now_ms: 1, seed: [1; 16] }, action };
                RaftEntry::new(id(index), EntryPayload::Normal(command))
            })
            .collect();
        block_on(async {
            log.append(entries, IOFlushed::noop()).await.unwrap();
            log.save_committed(Some(id(120))).await.unwrap();
            log.purge(id(49)).await.unwrap();
            log.save_vote(&Vote::new_committed(3, 1)).await.unwrap();
        });
    }

    /// All that a log says.
    fn told(mut log: DiskLog) -> (String, Vec<RaftEntry>) {
        block_on(async {
            let state = log.get_log_state().await.unwrap();
            let (vote, committed) = (log.read_vote().await.unwrap(), log.read_committed().await.unwrap());
            (format!("{state:?} {vote:?} {committed:?}"), log.try_get_log_entries(..).await.unwrap())
        })
    }

    fn is_newest(log: DiskLog) -> bool {
        matches!(log, DiskLog::Wal(_))
    }

    #[test]
    fn a_log_says_the_same_in_the_newer_format() {
        let dir = tempfile::tempdir().unwrap();
        earlier(dir.path());
        let before = told(open(dir.path(), Newest::Never).unwrap());
        assert_eq!(before.1.len(), 100);
        assert_eq!(told(open(dir.path(), Newest::IfNew).unwrap()), before);
        assert!(!is_newest(open(dir.path(), Newest::IfNew).unwrap()), "not before it is allowed");
        let log = open(dir.path(), Newest::Always).unwrap();
        assert_eq!(told(log.clone()), before);
        assert!(is_newest(log));
        assert!(is_newest(open(dir.path(), Newest::Never).unwrap()), "it is, for good");
        assert_eq!(told(open(dir.path(), Newest::Never).unwrap()), before);
        assert!(!format::next_dir(dir.path()).exists());
    }

    #[test]
    fn a_crash_at_any_point_leaves_one_of_both_whole() {
        let dir = tempfile::tempdir().unwrap();
        earlier(dir.path());
        let before = told(open(dir.path(), Newest::Never).unwrap());
        let (log, next) = (format::log_dir(dir.path()), format::next_dir(dir.path()));
        let copied = |log: &Path| {
            let earlier = EarlierLog::open(log, FaultLine::new(), Arc::new(NoObserver), Box::new(|_| Ok(())));
            copy(&earlier.unwrap(), &next).unwrap();
        };

        // While it is copied.
        copied(&log);
        let segment = next.join("00000000000000000000.wal");
        fs::write(&segment, &fs::read(&segment).unwrap()[..100_000]).unwrap();
        assert_eq!(told(open(dir.path(), Newest::Never).unwrap()), before);
        // Once FORMAT says so, and when the earlier one is half removed, or whole.
        copied(&log);
        fs::write(dir.path().join("FORMAT"), "shopnode-wal 2\n").unwrap();
        let kept = dir.path().join("kept");
        for removed in [0, 1, 2] {
            fs::create_dir_all(&kept).unwrap();
            for file in fs::read_dir(&next).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), kept.join(file.file_name())).unwrap();
            }
            match removed {
                0 => {}
                1 => fs::write(log.join("r-junk.wal"), "").unwrap(),
                _ => fs::remove_dir_all(&log).unwrap(),
            }
            assert!(format::is_there(dir.path()), "{removed}");
            assert_eq!(told(open(dir.path(), Newest::Never).unwrap()), before, "{removed}");
            fs::rename(&kept, &next).unwrap();
        }
    }

    #[test]
    fn one_that_cannot_be_written_leaves_the_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        earlier(dir.path());
        let before = told(open(dir.path(), Newest::Never).unwrap());
        fs::write(format::next_dir(dir.path()), "in the way").unwrap();
        assert_eq!(open(dir.path(), Newest::Always).map(drop).unwrap_err().code(), "wal_failed");
        assert_eq!(told(open(dir.path(), Newest::Never).unwrap()), before);
    }
}
