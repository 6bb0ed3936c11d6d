//! Whether a log is whole, without taking part.

use std::{path::Path, sync::Arc};

use super::{
    disk::{DiskLog, Newest},
    format,
};
use crate::{
    error::{Fault, FaultLine},
    observer::NoObserver,
};

/// Opens the log in `dir` as a start does, reading all of it, and closes it again. The node that uses it must be stopped.
///
/// # Errors
/// [`Fault::LogLost`] when there is none, [`Fault::LogFormat`] when it is of another version, [`Fault::Log`] when it is damaged or in use.
pub fn check_log(dir: &Path) -> Result<(), Fault> {
    if !format::is_there(dir) {
        return Err(Fault::LogLost { path: dir.display().to_string() });
    }
    DiskLog::open(dir, Newest::Never, FaultLine::new(), Arc::new(NoObserver), Box::new(|_| Ok(()))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_gone_or_damaged_is_told() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(check_log(home.path()).unwrap_err().code(), "wal_lost");
        drop(
            DiskLog::open(
                home.path(),
                Newest::IfNew,
                FaultLine::new(),
                Arc::new(NoObserver),
                Box::new(|_| Ok(())),
            )
            .unwrap(),
        );
        check_log(home.path()).unwrap();
        std::fs::remove_dir_all(home.path().join("log")).unwrap();
        assert_eq!(check_log(home.path()).unwrap_err().code(), "wal_lost");
    }
}
