//! The file that says which format the log beside it has. raft-log writes none.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::error::Fault;

const FILE: &str = "FORMAT";
const CONTENT: &str = "shopnode-wal 1\n";
/// How raft-log ends the names of its files.
const CHUNK: &str = "wal";

/// Whether a log was kept in `dir`, and is still there.
pub(super) fn is_there(dir: &Path) -> bool {
    dir.join(FILE).exists() && has_files(dir)
}

/// Whether there are files of a log in `dir`. One that was opened once always has some.
pub(super) fn has_files(dir: &Path) -> bool {
    let is_chunk = |name: &OsStr| Path::new(name).extension().is_some_and(|extension| extension == CHUNK);
    let Ok(mut files) = dir.join("log").read_dir() else { return false };
    files.any(|file| file.is_ok_and(|file| is_chunk(&file.file_name())))
}

/// Makes `dir` ready to hold a log, or checks that the one in it can be read, and returns the log's own
/// directory.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Fault> {
    let failed = |source| Fault::Log { doing: "preparing its directory", source };
    fs::create_dir_all(dir).map_err(failed)?;
    let (file, log) = (dir.join(FILE), dir.join("log"));
    match fs::read_to_string(&file) {
        Ok(content) if content == CONTENT => {}
        Ok(content) => {
            return Err(Fault::LogFormat {
                path: dir.display().to_string(),
                why: format!("{FILE} says {:?}, expected {:?}", content.trim_end(), CONTENT.trim_end()),
                advice: "run the version of shopnode that wrote it",
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if log.exists() {
                return Err(Fault::LogFormat {
                    path: dir.display().to_string(),
                    why: format!("{FILE} is missing"),
                    advice: "restore the file from a copy of the directory; do not delete the log",
                });
            }
            write_durably(&file, CONTENT).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    fs::create_dir_all(&log).map_err(failed)?;
    sync_dir(dir).map_err(failed)?;
    Ok(log)
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
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        prepare(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), "shopnode-wal 1\n");
    }

    #[test]
    fn another_format_and_a_lost_mark_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        fs::write(dir.path().join("FORMAT"), "shopnode-wal 2\n").unwrap();
        assert_eq!(prepare(dir.path()).unwrap_err().code(), "wal_format");
        fs::remove_file(dir.path().join("FORMAT")).unwrap();
        assert_eq!(prepare(dir.path()).unwrap_err().code(), "wal_format");
    }
}
