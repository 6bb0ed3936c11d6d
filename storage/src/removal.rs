//! Removes obsolete generations without anybody noticing.
//!
//! To free all blocks of a large file is one transaction of the file system, for which every sync of the log would wait. So
//! a large one first gets another name (`gone-gen-N`), by which nobody takes it for a state, and then a thread of its own
//! cuts it shorter and shorter. What it does not come to, the next open goes on with.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::Fault;

/// What the names of directories begin with that are being removed.
const GONE: &str = "gone-";
/// So much is removed at once, and then nothing for a while.
const AT_ONCE_BYTES: u64 = 32 << 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Removes the directory of an engine that nobody has open, at once or, if it is large, little by little.
pub(crate) fn remove(directory: &Path) {
    if log_bytes(directory) <= AT_ONCE_BYTES {
        return remove_now(directory);
    }
    let gone = gone(directory);
    match fs::rename(directory, &gone) {
        Ok(()) => remove_slowly(vec![gone]),
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "obsolete state is removed at once");
            remove_now(directory);
        }
    }
}

/// Goes on with what was left by an earlier process.
pub(crate) fn go_on(home: &Path) -> Result<(), Fault> {
    let (large, small): (Vec<_>, Vec<_>) =
        left(home)?.into_iter().partition(|directory| log_bytes(directory) > AT_ONCE_BYTES);
    small.iter().for_each(|directory| remove_now(directory));
    if !large.is_empty() {
        remove_slowly(large);
    }
    Ok(())
}

/// Removes all that is being removed in a store's directory at once: for a process that ends before long.
pub fn finish_removal(home: &Path) -> Result<(), Fault> {
    left(home)?.iter().for_each(|directory| remove_now(directory));
    Ok(())
}

/// The obsolete states in a store's directory.
fn left(home: &Path) -> Result<Vec<PathBuf>, Fault> {
    let listing = |error| Fault::io("list", home, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(home).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(GONE)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn remove_slowly(directories: Vec<PathBuf>) {
    let started = std::thread::Builder::new().name("state-remover".to_owned()).spawn(move || {
        for directory in directories {
            if let Err(error) = shrink(&log(&directory))
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(directory = %directory.display(), %error, "obsolete state is removed at once");
            }
            remove_now(&directory);
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "obsolete state stays until the next start");
    }
}

fn shrink(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let mut bytes = file.metadata()?.len();
    while bytes > AT_ONCE_BYTES {
        bytes -= AT_ONCE_BYTES;
        file.set_len(bytes)?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn remove_now(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(directory = %directory.display(), %error, "obsolete state stays until the next start");
        }
        _ => {}
    }
}

/// sled's log, which is nearly all that a generation takes.
fn log(directory: &Path) -> PathBuf {
    directory.join("db")
}

fn log_bytes(directory: &Path) -> u64 {
    fs::metadata(log(directory)).map_or(0, |metadata| metadata.len())
}

/// What the directory of an obsolete state is called while it is removed.
fn gone(directory: &Path) -> PathBuf {
    let mut name = OsString::from(GONE);
    name.push(directory.file_name().unwrap_or_default());
    directory.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{AT_ONCE_BYTES, finish_removal, go_on, gone, log, remove};

    /// A state whose log has no blocks: only its length counts here.
    fn made(directory: &Path, bytes: u64) -> File {
        fs::create_dir(directory).unwrap();
        let log = File::create(log(directory)).unwrap();
        log.set_len(bytes).unwrap();
        log
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < until, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_small_state_goes_away_at_once() {
        let home = tempfile::tempdir().unwrap();
        made(&home.path().join("gen-1"), AT_ONCE_BYTES);
        remove(&home.path().join("gen-1"));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_large_one_is_cut_under_another_name() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("gen-1");
        let log = made(&directory, AT_ONCE_BYTES * 5);
        remove(&directory);
        assert!(!directory.exists());
        until("it stays", || !gone(&directory).exists());
        assert!(log.metadata().unwrap().len() <= AT_ONCE_BYTES, "it was not cut");
    }

    #[test]
    fn what_was_left_is_gone_on_with() {
        let home = tempfile::tempdir().unwrap();
        let log = made(&home.path().join("gone-gen-1"), AT_ONCE_BYTES * 3);
        made(&home.path().join("gone-gen-2"), 1);
        made(&home.path().join("gen-3"), 1);
        go_on(home.path()).unwrap();
        until("it stays", || fs::read_dir(home.path()).unwrap().count() == 1);
        assert!(log.metadata().unwrap().len() <= AT_ONCE_BYTES, "it was not cut");
        assert!(home.path().join("gen-3").exists());
    }

    #[test]
    fn a_process_that_ends_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("gen-1");
        made(&directory, AT_ONCE_BYTES * 500);
        remove(&directory);
        finish_removal(home.path()).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
