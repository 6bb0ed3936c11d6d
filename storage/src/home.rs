//! Where the generations of a store live: a copy arrives in a new one, and then becomes the current one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::engine::Engine;
use crate::fault::Fault;
use crate::memory::MemoryEngine;
use crate::store::Store;

/// A place for generations.
pub(crate) trait Home: Send + Sync + 'static {
    /// A new, empty generation.
    fn create(&self) -> Result<Generation, Fault>;
    /// From now on, after a restart too, this generation is the current one.
    fn adopt(&self, generation: &Generation) -> Result<(), Fault>;
    /// From now on new generations may be in blocks.
    fn allow_blocks(&self) {}
    /// Whether the current generation is not, and a new one would be.
    fn wants_blocks(&self) -> bool {
        false
    }
    /// Says that the current generation is closed.
    fn close(&self) -> Result<(), Fault> {
        Ok(())
    }
    /// Whether the current generation had been closed when it was opened, or is new.
    fn was_closed(&self) -> bool {
        true
    }
    /// Where exports may keep what does not fit in memory.
    fn spill_dir(&self) -> PathBuf;
}

/// An engine that is not in use yet. Unless it is adopted, it goes away with the last handle.
pub(crate) struct Generation {
    pub(crate) number: u64,
    /// Whether many records share a value of the engine.
    pub(crate) in_blocks: bool,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) adopted: bool,
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.adopted {
            self.engine.retire();
        }
    }
}

/// For an engine that was opened without a directory: there is nowhere to receive a copy.
pub(crate) struct NoHome;

impl Home for NoHome {
    fn create(&self) -> Result<Generation, Fault> {
        Err(Fault::NoHome)
    }

    fn adopt(&self, _generation: &Generation) -> Result<(), Fault> {
        Err(Fault::NoHome)
    }

    fn spill_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }
}

/// The disk of a simulated machine: outlives the store that is opened on it, as files outlive a process. Clones are the
/// same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    generations: Arc<Mutex<Generations>>,
}

struct Generations {
    current: Arc<MemoryEngine>,
    /// Those being received, by number.
    arriving: BTreeMap<u64, Weak<MemoryEngine>>,
    next: u64,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        let current = Arc::new(MemoryEngine::with_crashes());
        let generations = Generations { current, arriving: BTreeMap::new(), next: 1 };
        MemoryDisk { generations: Arc::new(Mutex::new(generations)) }
    }

    /// The store on this disk. Drop the one before: nothing here stops two.
    pub fn open(&self) -> Result<Store, Fault> {
        let engine = self.generations().current.clone();
        Store::with_home(engine, Box::new(self.clone()))
    }

    /// Does what a crash of the machine does: of the commits since the last flush only the first `survivors` remain.
    /// Returns how many there were. Call it between dropping the store and opening it again.
    pub fn crash(&self, survivors: usize) -> usize {
        let engine = self.generations().current.clone();
        engine.crash(survivors)
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        MemoryDisk::new()
    }
}

impl Home for MemoryDisk {
    fn create(&self) -> Result<Generation, Fault> {
        let engine = Arc::new(MemoryEngine::with_crashes());
        let mut generations = self.generations();
        generations.arriving.retain(|_, engine| engine.strong_count() > 0);
        let number = generations.next;
        generations.next += 1;
        generations.arriving.insert(number, Arc::downgrade(&engine));
        Ok(Generation { number, in_blocks: false, engine, adopted: false })
    }

    fn adopt(&self, generation: &Generation) -> Result<(), Fault> {
        let mut generations = self.generations();
        let engine = generations.arriving.remove(&generation.number).and_then(|engine| engine.upgrade());
        generations.current = engine.ok_or(Fault::NoHome)?;
        Ok(())
    }

    fn spill_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }
}
