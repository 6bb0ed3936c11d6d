//! The file that says which format the log beside it has.
//!
//! ```text
//! shopnode-wal 1   raft-log's, as programs before active version 7 keep it, which writes none itself
//! shopnode-wal 2   ours: wal/format.rs
//! ```

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::error::Fault;

const FILE: &str = "FORMAT";
const EARLIER: &str = "shopnode-wal 1\n";
const NEWEST: &str = "shopnode-wal 2\n";
/// How the names of a log's files end, in either format.
pub(super) const CHUNK: &str = "wal";

/// What is in a log's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Earlier,
    Newest,
}

/// Where a log's files are.
pub(super) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Where they are while they are brought into our format. They count once `FORMAT` says so.
pub(super) fn next_dir(dir: &Path) -> PathBuf {
    dir.join("log.new")
}

/// Whether a log was kept in `dir`, and is still there.
pub(super) fn is_there(dir: &Path) -> bool {
    dir.join(FILE).exists() && has_files(dir)
}

/// Whether there are files of a log in `dir`. One that was opened once always has some.
pub(super) fn has_files(dir: &Path) -> bool {
    let is_adopted = fs::read_to_string(dir.join(FILE)).is_ok_and(|content| content == NEWEST);
    has_chunks(&log_dir(dir)) || is_adopted && has_chunks(&next_dir(dir))
}

fn has_chunks(dir: &Path) -> bool {
    let is_chunk = |name: &OsStr| Path::new(name).extension().is_some_and(|extension| extension == CHUNK);
    let Ok(mut files) = dir.read_dir() else { return false };
    files.any(|file| file.is_ok_and(|file| is_chunk(&file.file_name())))
}

/// Makes `dir` ready to hold a log, or checks that the one in it can be read. `newest` says in which format one would begin.
pub(super) fn prepare(dir: &Path, newest: bool) -> Result<Format, Fault> {
    fs::create_dir_all(dir).map_err(failed)?;
    let file = dir.join(FILE);
    let format = match fs::read_to_string(&file) {
        Ok(content) if content == EARLIER => Format::Earlier,
        Ok(content) if content == NEWEST => {
            finish(dir).map_err(failed)?;
            Format::Newest
        }
        Ok(content) => {
            let (earlier, newest) = (EARLIER.trim_end(), NEWEST.trim_end());
            return Err(Fault::LogFormat {
                path: dir.display().to_string(),
                why: format!("{FILE} says {:?}, expected {earlier:?} or {newest:?}", content.trim_end()),
                advice: "run the version of shopnode that wrote it",
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if log_dir(dir).exists() || next_dir(dir).exists() {
                return Err(Fault::LogFormat {
                    path: dir.display().to_string(),
                    why: format!("{FILE} is missing"),
                    advice: "restore the file from a copy of the directory; do not delete the log",
                });
            }
            let format = if newest { Format::Newest } else { Format::Earlier };
            write_durably(&file, if newest { NEWEST } else { EARLIER }).map_err(failed)?;
            format
        }
        Err(error) => return Err(failed(error)),
    };
    fs::create_dir_all(log_dir(dir)).map_err(failed)?;
    sync_dir(dir).map_err(failed)?;
    Ok(format)
}

/// From here on the log is the one in [`next_dir`], which is complete and durable.
pub(super) fn adopt(dir: &Path) -> io::Result<()> {
    sync_dir(dir)?;
    write_durably(&dir.join(FILE), NEWEST)?;
    finish(dir)
}

/// Puts an adopted log in its place, if a crash has left that to be done.
fn finish(dir: &Path) -> io::Result<()> {
    let (log, next) = (log_dir(dir), next_dir(dir));
    if !next.exists() {
        return Ok(());
    }
    // `FORMAT` itself: who wrote it may have died before this.
    sync_dir(dir)?;
    if log.exists() {
        fs::remove_dir_all(&log)?;
    }
    fs::rename(next, log)?;
    sync_dir(dir)
}

fn failed(source: io::Error) -> Fault {
    Fault::Log { doing: "preparing its directory", source }
}

/// The name appears only with its full content: a crash leaves no half of it.
pub(super) fn write_durably(file: &Path, content: &str) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    out.write_all(content.as_bytes())?;
    out.sync_all()?;
    fs::rename(&draft, file)?;
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => sync_dir(dir),
        _ => sync_dir(Path::new(".")),
    }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_marked_and_found_again() {
        for (newest, format, text) in
            [(false, Format::Earlier, "shopnode-wal 1\n"), (true, Format::Newest, "shopnode-wal 2\n")]
        {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(prepare(dir.path(), newest).unwrap(), format);
            // What is there stays what it is.
            assert_eq!(prepare(dir.path(), !newest).unwrap(), format);
            assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), text);
        }
    }

    #[test]
    fn another_format_and_a_lost_mark_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path(), true).unwrap();
        fs::write(dir.path().join("FORMAT"), "shopnode-wal 3\n").unwrap();
        assert_eq!(prepare(dir.path(), true).unwrap_err().code(), "wal_format");
        fs::remove_file(dir.path().join("FORMAT")).unwrap();
        assert_eq!(prepare(dir.path(), true).unwrap_err().code(), "wal_format");
        // Neither is what a conversion left: it would be put in the place of a log that begins now.
        fs::rename(log_dir(dir.path()), next_dir(dir.path())).unwrap();
        assert_eq!(prepare(dir.path(), true).unwrap_err().code(), "wal_format");
    }
}
