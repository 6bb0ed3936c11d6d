//! A store's directory: `{FORMAT, CURRENT, LOCK, gen-N/ or gen-N-blocks/, gone-gen-N/}`.
//!
//! `FORMAT` names the layout, and whether the state was closed; an unknown one is refused. A generation has its records one by
//! one in the engine, or in blocks, and says so in its name; blocks are made once that is allowed, because earlier programs
//! cannot read them. `CURRENT` names the generation in use, and is replaced by renaming, so that after a crash it names the old one or the new one. Every other generation was
//! half received or is obsolete, and is removed at the next open; a large one is called `gone-gen-N` while it is. A directory
//! that has the engine's files themselves, as the first nodes had it, becomes a first generation. `LOCK` is held by the
//! process that has the store open.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::blocks::Blocks;
use crate::digest::Digests;
use crate::engine::{Batch, Engine};
use crate::fault::Fault;
use crate::home::{Generation, Home};
use crate::removal;
use crate::sled::SledEngine;
use crate::store::{Store, has_records, put_digests, stored_digests};
use crate::write_behind::{WriteBehind, has_redo};

/// How a generation has its records in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layout {
    /// Each by itself.
    Records,
    /// See [`Blocks`].
    Blocks,
}

impl Layout {
    /// What `FORMAT` contains while everything is in the engine's own files: raised when the layout, the keys or the digests
    /// change beyond what can be read.
    fn settled(self) -> &'static str {
        match self {
            Layout::Records => "state 1\n",
            Layout::Blocks => "state 3\n",
        }
    }

    /// What it contains while the store is open, and after a crash: changes may be under way into the engine, and a program
    /// that knows nothing of the redo file must not take what it finds for a state.
    fn unsettled(self) -> &'static str {
        match self {
            Layout::Records => "state 2\n",
            Layout::Blocks => NEWEST,
        }
    }
}

/// The highest that `FORMAT` may say.
const NEWEST: &str = "state 4\n";

/// A generation by the name of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    number: u64,
    layout: Layout,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.layout {
            Layout::Records => "",
            Layout::Blocks => "-blocks",
        };
        write!(f, "gen-{}{end}", self.number)
    }
}

impl Name {
    fn parse(name: &str) -> Option<Name> {
        let rest = name.strip_prefix("gen-")?;
        let (number, layout) = match rest.strip_suffix("-blocks") {
            Some(number) => (number, Layout::Blocks),
            None => (rest, Layout::Records),
        };
        Some(Name { number: number.parse().ok()?, layout })
    }
}

impl Store {
    /// Opens the store in a directory of its own, or makes it. `cache_bytes` bounds the engine's page cache, not all of
    /// its memory. Refused with [`Fault::InUse`] while another process has it open.
    pub fn open_dir(path: &Path, cache_bytes: u64) -> Result<Store, Fault> {
        let (directory, engine) = Directory::open(path, cache_bytes)?;
        Store::with_home(engine, Box::new(directory))
    }
}

struct Directory {
    path: PathBuf,
    cache_bytes: u64,
    /// Whether `FORMAT` said so when it was opened.
    was_closed: bool,
    /// The number of the next generation.
    next: AtomicU64,
    /// Whether the next generation may be in blocks.
    allows_blocks: AtomicBool,
    /// The generation in use and its engine, once there is one.
    current: Mutex<Option<(Name, Weak<dyn Engine>)>>,
    /// Unlocked when it is closed.
    _lock: File,
}

impl Directory {
    fn open(path: &Path, cache_bytes: u64) -> Result<(Directory, Arc<dyn Engine>), Fault> {
        fs::create_dir_all(path).map_err(|error| Fault::io("create", path, error))?;
        let lock = lock(path)?;
        removal::go_on(path)?;
        adopt_bare_files(path)?;
        let (current, was_closed) = match check_format(path)? {
            Found::Nothing => (None, true),
            Found::State { was_closed } => (read_current(path)?, was_closed),
        };
        let generations = generations(path)?;
        let numbers = generations.iter().chain(&current).map(|name| name.number);
        let next = AtomicU64::new(numbers.max().unwrap_or(0) + 1);
        let layout = current.map_or(Layout::Records, |name| name.layout);
        let directory = Directory {
            path: path.to_owned(),
            cache_bytes,
            was_closed,
            next,
            allows_blocks: AtomicBool::new(layout == Layout::Blocks),
            current: Mutex::default(),
            _lock: lock,
        };
        replace(path, "FORMAT", layout.unsettled())?;
        let engine = match current {
            Some(name) => directory.open_current(name)?,
            None => directory.make_first(&generations)?,
        };
        Ok((directory, engine))
    }

    fn open_current(&self, name: Name) -> Result<Arc<dyn Engine>, Fault> {
        let path = self.generation_path(name);
        if !path.is_dir() {
            return Err(Fault::corrupt(
                "the state",
                format!("CURRENT names {}, which is missing", path.display()),
            ));
        }
        for other in generations(&self.path)?.into_iter().filter(|other| *other != name) {
            let obsolete = self.generation_path(other);
            tracing::info!(directory = %obsolete.display(), "half-received or obsolete state removed");
            removal::remove(&obsolete);
        }
        let beneath = self.open_engine(name)?;
        // sled takes missing files for an empty database; a generation has digests from its first flush on. Looked at
        // before the redo file is applied: that one has digests too, and would hide that everything older is gone.
        if stored_digests(&*beneath)?.is_none() {
            return Err(Fault::corrupt("the state", format!("the files in {} are missing", path.display())));
        }
        let engine = self.write_behind(name, beneath)?;
        self.uses(name, &engine);
        Ok(engine)
    }

    /// Makes an empty state and then CURRENT. What an interrupted attempt left is removed, after a look whether CURRENT
    /// has perhaps been lost instead.
    fn make_first(&self, leftovers: &[Name]) -> Result<Arc<dyn Engine>, Fault> {
        for name in leftovers {
            let path = self.generation_path(*name);
            let beneath = self.open_engine(*name)?;
            if has_records(&*self.write_behind(*name, beneath)?)? {
                let detail = format!("CURRENT is missing, and {} has records", path.display());
                return Err(Fault::corrupt("the state", detail));
            }
            fs::remove_dir_all(&path).map_err(|error| Fault::io("remove", &path, error))?;
        }
        let mut first = self.create()?;
        self.adopt(&first)?;
        first.adopted = true;
        Ok(first.engine.clone())
    }

    fn open_engine(&self, name: Name) -> Result<Arc<dyn Engine>, Fault> {
        let engine = SledEngine::open(&self.generation_path(name), self.cache_bytes)?;
        Ok(match name.layout {
            Layout::Records => Arc::new(engine),
            Layout::Blocks => Arc::new(Blocks::over(engine)),
        })
    }

    fn write_behind(&self, name: Name, beneath: Arc<dyn Engine>) -> Result<Arc<dyn Engine>, Fault> {
        Ok(Arc::new(WriteBehind::open(beneath, &self.generation_path(name))?))
    }

    fn uses(&self, name: Name, engine: &Arc<dyn Engine>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, Arc::downgrade(engine)));
    }

    fn current(&self) -> Option<Name> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(name, _)| *name)
    }

    fn generation_path(&self, name: Name) -> PathBuf {
        self.path.join(name.to_string())
    }
}

impl Home for Directory {
    fn create(&self) -> Result<Generation, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let in_blocks = self.allows_blocks.load(Ordering::Relaxed);
        let layout = if in_blocks { Layout::Blocks } else { Layout::Records };
        let name = Name { number, layout };
        let beneath = self.open_engine(name)?;
        let mut batch = Batch::default();
        put_digests(&mut batch, &Digests::default());
        beneath.commit(batch)?;
        beneath.flush()?;
        Ok(Generation { number, in_blocks, engine: self.write_behind(name, beneath)?, adopted: false })
    }

    fn adopt(&self, generation: &Generation) -> Result<(), Fault> {
        let layout = if generation.in_blocks { Layout::Blocks } else { Layout::Records };
        let name = Name { number: generation.number, layout };
        // The engine's own flush covers its records, not the other files beside them.
        sync_all_in(&self.generation_path(name))?;
        sync(&self.path)?;
        // Programs that know only the earlier layout must never find the later one under its word.
        let say = || match self.current() {
            Some(current) if current.layout == layout => Ok(()),
            _ => replace(&self.path, "FORMAT", layout.unsettled()),
        };
        if layout == Layout::Blocks {
            say()?;
        }
        replace(&self.path, "CURRENT", &format!("{name}\n"))?;
        if layout == Layout::Records {
            say()?;
        }
        self.uses(name, &generation.engine);
        Ok(())
    }

    fn close(&self) -> Result<(), Fault> {
        match self.current() {
            // What is to be applied again must not be overlooked.
            Some(name) if !has_redo(&self.generation_path(name)) => {
                replace(&self.path, "FORMAT", name.layout.settled())
            }
            _ => Ok(()),
        }
    }

    fn allow_blocks(&self) {
        self.allows_blocks.store(true, Ordering::Relaxed);
    }

    fn wants_blocks(&self) -> bool {
        let in_blocks = self.current().is_some_and(|name| name.layout == Layout::Blocks);
        self.allows_blocks.load(Ordering::Relaxed) && !in_blocks
    }

    fn was_closed(&self) -> bool {
        self.was_closed
    }

    fn spill_dir(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Drop for Directory {
    /// Says that the state is closed, if it is: its engine is gone.
    fn drop(&mut self) {
        let current = self.current.get_mut().unwrap_or_else(PoisonError::into_inner);
        let is_gone = current.as_ref().is_some_and(|(_, engine)| engine.strong_count() == 0);
        if is_gone && let Err(fault) = self.close() {
            tracing::warn!(%fault, "the state is closed and not marked as such: only this version will open it");
        }
    }
}

/// The engine's own files, by the beginnings of their names.
const BARE_FILES: [&str; 4] = ["blobs", "conf", "db", "snap."];
/// There while bare files are being moved: a crash in between is gone on with.
const ADOPTING: &str = "ADOPTING";

/// Moves the files of an engine that was opened right in this directory into a first generation, and says so in
/// `CURRENT`. `FORMAT` is written with it, and the mark that began it is removed last.
fn adopt_bare_files(directory: &Path) -> Result<(), Fault> {
    let mark = directory.join(ADOPTING);
    if !mark.exists() {
        if !directory.join("db").exists() || directory.join("FORMAT").exists() {
            return Ok(());
        }
        replace(directory, ADOPTING, "gen-1\n")?;
    }
    let first = directory.join("gen-1");
    fs::create_dir_all(&first).map_err(|error| Fault::io("create", &first, error))?;
    for entry in fs::read_dir(directory).map_err(|error| Fault::io("list", directory, error))? {
        let name = entry.map_err(|error| Fault::io("list", directory, error))?.file_name();
        let is_bare = |name: &str| BARE_FILES.iter().any(|bare| name.starts_with(bare));
        if name.to_str().is_some_and(is_bare) {
            let (from, to) = (directory.join(&name), first.join(&name));
            fs::rename(&from, &to).map_err(|error| Fault::io("move", &from, error))?;
        }
    }
    sync(&first)?;
    replace(directory, "FORMAT", Layout::Records.settled())?;
    replace(directory, "CURRENT", "gen-1\n")?;
    fs::remove_file(&mark).map_err(|error| Fault::io("remove", &mark, error))?;
    sync(directory)?;
    tracing::info!(directory = %directory.display(), "state moved into its first generation");
    Ok(())
}

/// What a directory has.
enum Found {
    Nothing,
    State { was_closed: bool },
}

fn check_format(directory: &Path) -> Result<Found, Fault> {
    let path = directory.join("FORMAT");
    match fs::read_to_string(&path) {
        Ok(found) => {
            for layout in [Layout::Records, Layout::Blocks] {
                if found == layout.settled() || found == layout.unsettled() {
                    return Ok(Found::State { was_closed: found == layout.settled() });
                }
            }
            Err(Fault::UnknownFormat { path, found, known: NEWEST })
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(Fault::UnknownFormat { path, found: "bytes that are no text".to_owned(), known: NEWEST })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if directory.join("CURRENT").exists() || !generations(directory)?.is_empty() {
                return Err(Fault::corrupt("the state", format!("{} is missing", path.display())));
            }
            Ok(Found::Nothing)
        }
        Err(error) => Err(Fault::io("read", &path, error)),
    }
}

fn read_current(directory: &Path) -> Result<Option<Name>, Fault> {
    let path = directory.join("CURRENT");
    match fs::read_to_string(&path) {
        Ok(text) => match text.strip_suffix('\n').and_then(Name::parse) {
            Some(name) => Ok(Some(name)),
            None => {
                Err(Fault::corrupt("the state", format!("{} does not name a generation", path.display())))
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io("read", &path, error)),
    }
}

/// All generations in a directory.
fn generations(directory: &Path) -> Result<Vec<Name>, Fault> {
    let entries = fs::read_dir(directory).map_err(|error| Fault::io("list", directory, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Fault::io("list", directory, error))?;
        names.extend(entry.file_name().to_str().and_then(Name::parse));
    }
    Ok(names)
}

fn lock(directory: &Path) -> Result<File, Fault> {
    let path = directory.join("LOCK");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Fault::io("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Fault::io("lock", &path, error)),
    }
}

/// Replaces a small file so that after a crash it has its old contents or its new ones.
fn replace(directory: &Path, name: &str, contents: &str) -> Result<(), Fault> {
    let (path, temporary) = (directory.join(name), directory.join(format!("{name}.new")));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(contents.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Fault::io("write", &temporary, error))?;
    fs::rename(&temporary, &path).map_err(|error| Fault::io("replace", &path, error))?;
    sync(directory)
}

/// Makes a directory durable, with the files and directories in it. One that goes away meanwhile has nothing to be made
/// durable: the engine's thread removes its redo file when it likes.
fn sync_all_in(directory: &Path) -> Result<(), Fault> {
    for entry in fs::read_dir(directory).map_err(|error| Fault::io("list", directory, error))? {
        let path = entry.map_err(|error| Fault::io("list", directory, error))?.path();
        match File::open(&path).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Fault::io("sync", &path, error)),
            _ => {}
        }
    }
    sync(directory)
}

fn sync(path: &Path) -> Result<(), Fault> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Fault::io("sync", path, error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::sync_all_in;

    #[test]
    fn a_file_that_goes_away_meanwhile_is_no_fault() {
        let directory = tempfile::tempdir().unwrap();
        let (path, is_over) = (directory.path(), AtomicBool::new(false));
        fs::write(path.join("db"), b"records").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let redo = path.join("redo");
                while !is_over.load(Ordering::Relaxed) {
                    fs::write(&redo, b"changes").unwrap();
                    fs::remove_file(&redo).unwrap();
                }
            });
            let synced: Vec<_> = (0..300).map(|_| sync_all_in(path)).collect();
            is_over.store(true, Ordering::Relaxed);
            for result in synced {
                result.unwrap();
            }
        });
        assert!(sync_all_in(&path.join("nowhere")).is_err());
    }
}
