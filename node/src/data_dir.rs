//! A node's directory: `DIR/{config.toml, wal/, state/, blobs/, secrets/}`, for its owner's eyes only, and for one
//! process at a time. `DIR/LOG` says that a log was begun in `wal/`: raft refuses to begin another.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The layout of the directory. A newer one is refused: an older binary would not understand what it finds.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
/// There while a `join` is under way: what it has written so far is not a lost node's.
const JOINING_FILE: &str = "JOINING";
/// Says that the log was begun (raft's `log_mark`).
const LOG_MARK: &str = "LOG";
/// What a `join` that was cut off may have left in the root.
const JOIN_LEAVES: [&str; 3] = [JOINING_FILE, "identity.toml", "peers.toml"];
/// The directories that `init` makes.
const PARTS: [&str; 4] = ["wal", "state", "blobs", "secrets"];

const OWNER_DIRECTORY: u32 = 0o700;
const OWNER_FILE: u32 = 0o600;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{} is not a data directory (it has no {FORMAT_FILE} file): make one with `shopnode init --data {}`", .0.display(), .0.display())]
    NotInitialised(PathBuf),
    #[error("{} holds a node already: to serve it, `shopnode run --data {}`", .0.display(), .0.display())]
    AlreadyInitialised(PathBuf),
    #[error("{} is not empty, and what is in it is not a node's: choose another directory", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} has files in {part}/ but no {FORMAT_FILE} file: an `init` was cut off there; remove the directory and begin again", directory.display())]
    HalfMade { directory: PathBuf, part: &'static str },
    #[error("another process uses {}: one directory serves one process", .0.display())]
    InUse(PathBuf),
    #[error("{} has layout {found}, this binary knows up to {FORMAT}: install the version that wrote it", directory.display())]
    NewerFormat { directory: PathBuf, found: u32 },
    #[error("{} says `{found}`, which is no layout's number", file.display())]
    BadFormat { file: PathBuf, found: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl DataDirError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            DataDirError::NotInitialised(_) => "data_not_initialised",
            DataDirError::AlreadyInitialised(_) => "data_already_initialised",
            DataDirError::NotEmpty(_) => "data_not_empty",
            DataDirError::HalfMade { .. } => "data_half_made",
            DataDirError::InUse(_) => "data_in_use",
            DataDirError::NewerFormat { .. } => "data_newer_format",
            DataDirError::BadFormat { .. } => "data_bad_format",
            DataDirError::Io { .. } => "data_io",
        }
    }
}

/// An open data directory. While it lives, no other process can open the directory.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// Held, never read: the lock ends with the process, however that ends.
    _lock: File,
}

impl DataDir {
    /// Makes and locks the directory. [`DataDir::finish`] makes it a node's; until something is in it, `create` may be
    /// repeated.
    ///
    /// # Errors
    /// When it holds a node, or anything else, or is in use, or cannot be written.
    pub fn create(root: &Path) -> Result<DataDir, DataDirError> {
        DataDir::make(root, false)
    }

    /// As [`DataDir::create`], for a node that joins. One that was cut off may be repeated: it has its key in
    /// `secrets/`, which the cluster knows by then, and nothing in `wal/` and `state/`.
    ///
    /// # Errors
    /// As [`DataDir::create`].
    pub fn create_to_join(root: &Path) -> Result<DataDir, DataDirError> {
        let resumes = root.join(JOINING_FILE).exists();
        let directory = DataDir::make(root, resumes)?;
        write_private(&root.join(JOINING_FILE), b"")?;
        Ok(directory)
    }

    fn make(root: &Path, resumes_join: bool) -> Result<DataDir, DataDirError> {
        make_directory(root)?;
        if root.join(FORMAT_FILE).exists() {
            return Err(DataDirError::AlreadyInitialised(root.to_path_buf()));
        }
        let entries = root.read_dir().map_err(|source| failed("read", root, source))?;
        for entry in entries {
            let name = entry.map_err(|source| failed("read", root, source))?.file_name();
            let ours = name.to_str().is_some_and(|name| {
                let whole = name.trim_end_matches(".new");
                let left = whole == LOG_MARK || resumes_join && JOIN_LEAVES.contains(&whole);
                left || PARTS.contains(&name) || name == LOCK_FILE || name.starts_with("config.toml")
            });
            if !ours {
                return Err(DataDirError::NotEmpty(root.to_path_buf()));
            }
            // It may be a node whose FORMAT file was lost: nobody but its owner can tell.
            let used = |part: &str| root.join(part).read_dir().is_ok_and(|mut files| files.next().is_some());
            let kept = |part: &str| resumes_join && part == "secrets";
            if let Some(part) = PARTS.into_iter().find(|part| used(part) && !kept(part)) {
                return Err(DataDirError::HalfMade { directory: root.to_path_buf(), part });
            }
        }
        let directory = DataDir { root: root.to_path_buf(), _lock: lock(root)? };
        for part in PARTS {
            make_directory(&root.join(part))?;
        }
        // Nothing is in `wal/`, and whoever makes a directory begins a log on purpose.
        match std::fs::remove_file(directory.log_mark()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &directory.log_mark(), source))
            }
            _ => Ok(directory),
        }
    }

    /// Says that everything a node needs is in place. Written last, so that a crash before it leaves no half node.
    ///
    /// # Errors
    /// When the file cannot be made durable.
    pub fn finish(&self) -> Result<(), DataDirError> {
        write_private(&self.root.join(FORMAT_FILE), format!("{FORMAT}\n").as_bytes())?;
        // One that stays, after a crash right here, goes when the node is opened.
        let _ = std::fs::remove_file(self.root.join(JOINING_FILE));
        Ok(())
    }

    /// Opens and locks the directory of a node.
    ///
    /// # Errors
    /// When there is no node in it, it is in use, or a newer binary made it.
    pub fn open(root: &Path) -> Result<DataDir, DataDirError> {
        let file = root.join(FORMAT_FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::NotInitialised(root.to_path_buf()));
            }
            Err(source) => return Err(failed("read", &file, source)),
        };
        let found = text.trim();
        match found.parse::<u32>() {
            Ok(FORMAT) => {}
            Ok(found) if found > FORMAT => {
                return Err(DataDirError::NewerFormat { directory: root.to_path_buf(), found });
            }
            _ => return Err(DataDirError::BadFormat { file, found: found.to_owned() }),
        }
        let directory = DataDir { root: root.to_path_buf(), _lock: lock(root)? };
        for part in PARTS {
            make_directory(&root.join(part))?;
        }
        let _ = std::fs::remove_file(root.join(JOINING_FILE));
        Ok(directory)
    }

    /// Whether a node's directory is at `root`.
    pub fn is_initialised(root: &Path) -> bool {
        root.join(FORMAT_FILE).exists()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn config_file(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    pub fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// Where it is noted that the log was begun: not in `wal/`, which may be lost as a whole.
    pub fn log_mark(&self) -> PathBuf {
        self.root.join(LOG_MARK)
    }

    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }
}

/// Writes a file that only its owner can read: whole and durable, or not at all.
///
/// # Errors
/// When any step to the durable file fails. What was there before is then still there.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), DataDirError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let write = || -> io::Result<()> {
        // One left over by a crash may be open to others: never write into it.
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_FILE).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    };
    write().map_err(|source| failed("write", path, source))
}

/// The bytes of all files below `directory`. Files that vanish meanwhile count as nothing.
///
/// # Errors
/// When a directory cannot be listed.
pub fn size_bytes(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in directory.read_dir()? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => total += size_bytes(&entry.path()).unwrap_or(0),
            Ok(metadata) => total += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(total)
}

/// Makes a directory, and those above it, for its owner only.
///
/// # Errors
/// When it cannot be made, or is another user's.
pub fn make_directory(path: &Path) -> Result<(), DataDirError> {
    let make = || -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(OWNER_DIRECTORY).create(path)?;
        // One that was there, made by hand or unpacked from an archive, gets the same mode.
        std::fs::set_permissions(path, Permissions::from_mode(OWNER_DIRECTORY))
    };
    make().map_err(|source| failed("make the directory", path, source))
}

/// Locks a directory for this process. The lock ends with the file that is returned, or with the process.
///
/// # Errors
/// When another process has it.
pub fn lock(root: &Path) -> Result<File, DataDirError> {
    let path = root.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_FILE)
        .open(&path)
        .map_err(|source| failed("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(root.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path, source)),
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> DataDirError {
    DataDirError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
