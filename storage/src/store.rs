//! The store: an engine, the digests of what is in it, and one writer.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use crate::digest::{Digests, Tally};
use crate::engine::{Batch, Direction, Engine, KeyRange, Raw};
use crate::fault::Fault;
use crate::home::{Home, MemoryDisk, NoHome};
use crate::key::{FIRST_REPLICATED_PREFIX, LAST_REPLICATED_PREFIX, Scope, is_replicated};
use crate::snapshot::{Export, ExportLimits, Incoming, Received, SharedExport};
use crate::txn::{Txn, Written};
use crate::view::View;

/// Where the digests are kept: prefix `0x00`, scope 0, record 1.
const DIGESTS_KEY: [u8; 6] = [0, 0, 0, 0, 0, 1];

/// How many exports may be open: each makes every commit dearer.
pub const MAX_OPEN_EXPORTS: usize = 8;

/// State with one writer and many readers. Share it in an `Arc`: after an install every holder sees the new state.
pub struct Store {
    pub(crate) current: RwLock<Current>,
    exports: Mutex<Vec<Weak<SharedExport>>>,
    pub(crate) home: Box<dyn Home>,
}

/// What a commit replaces.
pub(crate) struct Current {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) digests: Digests,
    /// Counts commits and installs: whoever began before the last one is too late.
    pub(crate) commits: u64,
}

impl Store {
    /// The store on an engine that is open already, for tests and tools. Records without digests are a fault: they were
    /// not written by a store. A copy is received into memory if the engine is in memory, else refused.
    pub fn open(engine: Arc<dyn Engine>) -> Result<Store, Fault> {
        let home: Box<dyn Home> =
            if engine.is_durable() { Box::new(NoHome) } else { Box::new(MemoryDisk::new()) };
        Store::with_home(engine, home)
    }

    pub(crate) fn with_home(engine: Arc<dyn Engine>, home: Box<dyn Home>) -> Result<Store, Fault> {
        let digests = match stored_digests(&*engine)? {
            Some(digests) => digests,
            None if has_records(&*engine)? => {
                return Err(Fault::corrupt("the state", "it has records and no digest of them"));
            }
            None => Digests::default(),
        };
        let current = RwLock::new(Current { engine, digests, commits: 0 });
        Ok(Store { current, exports: Mutex::default(), home })
    }

    /// Begins a transaction over the state as it is now. Only the one writer may.
    pub fn begin(&self) -> Txn<'_> {
        let current = self.read();
        Txn::over(current.engine.clone(), current.commits)
    }

    /// Makes everything the transaction has written visible, in one batch together with the digests. Waits for views.
    /// Durable only after [`flush`](Store::flush).
    pub fn commit(&self, txn: Txn<'_>) -> Result<(), Fault> {
        // The hashing is done before readers have to wait, the freeing of memory after.
        let Txn { engine, began, written, .. } = txn;
        let (batch, digests) = to_batch(&written, self.digest());
        if batch.is_empty() {
            return Ok(());
        }
        engine.make_room()?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.commits != began {
            return Err(Fault::SecondWriter { began, found: current.commits });
        }
        self.publish(&written);
        current.engine.commit(batch)?;
        current.digests = digests;
        current.commits += 1;
        Ok(())
    }

    /// One consistent moment for one bounded query, in [`Scope::NODE`] until told otherwise.
    pub fn view(&self) -> View<'_> {
        View { store: self, current: self.read(), scope: Scope::NODE }
    }

    /// The digests as of the last commit.
    pub fn digest(&self) -> Digests {
        self.read().digests.clone()
    }

    /// Returns when everything committed before is durable. Commits go on meanwhile.
    pub fn flush(&self) -> Result<(), Fault> {
        self.engine().flush()
    }

    /// Brings everything into the files and says that they are closed, so that an older program may open them, too.
    /// Commits are refused from here on; reading goes on. A store that is dropped without it loses nothing.
    pub fn close(&self) -> Result<(), Fault> {
        let engine = self.read().engine.clone();
        engine.close()?;
        self.home.close()
    }

    /// Whether the files had been closed when they were opened, or are new. If not, the process before ended without
    /// warning, and perhaps the machine too.
    pub fn was_closed(&self) -> bool {
        self.home.was_closed()
    }

    /// Lets new generations have many records in one value of the engine, which takes a fraction of the work. Programs of
    /// before that refuse such a state: call it when none of them will be put back. The present generation stays as it is
    /// until it is [rebuilt](Store::rebuild), or a copy takes its place.
    pub fn allow_blocks(&self) {
        self.home.allow_blocks();
    }

    /// Whether a rebuild would bring the records into blocks.
    pub fn wants_blocks(&self) -> bool {
        self.home.wants_blocks()
    }

    /// What the engine occupies, in bytes.
    pub fn size_bytes(&self) -> Result<u64, Fault> {
        self.engine().size_bytes()
    }

    /// How many exports are being read or kept for somebody who reads on.
    pub fn open_exports(&self) -> usize {
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.retain(|export| export.strong_count() > 0);
        exports.len()
    }

    /// Opens an export of the state as it is now. At most [`MAX_OPEN_EXPORTS`]. To read records of the same moment with
    /// it (the index it stands for), use [`View::export`].
    pub fn export(&self) -> Result<Export, Fault> {
        self.view().export()
    }

    /// Begins to receive a copy into a new generation, while this one goes on.
    pub fn receive(&self) -> Result<Incoming, Fault> {
        Ok(Incoming::new(self.home.create()?, is_replicated))
    }

    /// The same, but of the copy only the tables are kept whose prefixes `keep` says yes to. All of it is checked.
    pub fn receive_only(&self, keep: fn(u8) -> bool) -> Result<Incoming, Fault> {
        Ok(Incoming::new(self.home.create()?, keep))
    }

    /// Makes a received copy the state of this store, now and after a restart. Only the one writer may.
    ///
    /// The copy has no local records. `local` writes those that belong to it (the index it stands for) and nothing else;
    /// they become visible together with it. All local records of the state before are gone. After a crash there is
    /// either the state before or the installed one.
    pub fn install(
        &self,
        received: Received,
        local: impl FnOnce(&mut Txn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Received { mut generation, digests, .. } = received;
        let mut txn = Txn::over(generation.engine.clone(), 0);
        local(&mut txn)?;
        let (batch, digests_after) = to_batch(&txn.written, digests.clone());
        if digests_after != digests {
            return Err(Fault::corrupt("an installed copy", "replicated records were written beside it"));
        }
        drop(txn);
        generation.engine.commit(batch)?;
        generation.engine.flush()?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.home.adopt(&generation)?;
        generation.adopted = true;
        let before = std::mem::replace(&mut current.engine, generation.engine.clone());
        current.digests = digests;
        current.commits += 1;
        // Closing the engine takes a while: readers need not wait for it.
        drop(current);
        before.retire();
        Ok(())
    }

    /// What an export may cost in this store.
    pub fn export_limits(&self) -> ExportLimits {
        ExportLimits::spilling_to(self.home.spill_dir())
    }

    pub(crate) fn open_export(&self, current: &Current, limits: ExportLimits) -> Result<Export, Fault> {
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.retain(|export| export.strong_count() > 0);
        if exports.len() >= MAX_OPEN_EXPORTS {
            return Err(Fault::TooManyExports { limit: MAX_OPEN_EXPORTS });
        }
        let export = Export::new(current.engine.clone(), current.digests.clone(), limits);
        exports.push(Arc::downgrade(export.shared()));
        Ok(export)
    }

    /// Tells every open export what is about to change.
    fn publish(&self, written: &Written) {
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.retain(|export| match export.upgrade() {
            Some(export) => {
                let changed =
                    written.iter().filter(|(key, slot)| is_replicated(key[0]) && slot.old != slot.new);
                export.publish(changed.map(|(key, slot)| (key, &slot.old)));
                true
            }
            None => false,
        });
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        self.read().engine.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Current> {
        // A commit changes the rest only after the engine has the batch: a panic leaves nothing half done.
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digests that are stored in an engine, if any.
pub(crate) fn stored_digests(engine: &dyn Engine) -> Result<Option<Digests>, Fault> {
    engine.get(&DIGESTS_KEY)?.map(|bytes| Digests::decode(&bytes)).transpose()
}

/// Whether an engine has replicated records.
pub(crate) fn has_records(engine: &dyn Engine) -> Result<bool, Fault> {
    let replicated =
        KeyRange { start: vec![FIRST_REPLICATED_PREFIX], end: Some(vec![LAST_REPLICATED_PREFIX + 1]) };
    Ok(engine.scan(replicated, Direction::Forward).next().transpose()?.is_some())
}

pub(crate) fn put_digests(batch: &mut Batch, digests: &Digests) {
    batch.put(Raw::from(DIGESTS_KEY), Raw::from(digests.encode()));
}

/// One batch of all that really changes, with the digests after it.
fn to_batch(written: &Written, before: Digests) -> (Batch, Digests) {
    let mut batch = Batch::default();
    let mut tally = Tally::new(before);
    let mut digested = false;
    for (key, slot) in written {
        if is_replicated(key[0]) {
            if slot.old == slot.new {
                continue;
            }
            digested = true;
            if let Some(old) = &slot.old {
                tally.subtract(key, old);
            }
            if let Some(new) = &slot.new {
                tally.add(key, new);
            }
        }
        match &slot.new {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.delete(key.clone()),
        }
    }
    let digests = tally.finish();
    if digested {
        put_digests(&mut batch, &digests);
    }
    (batch, digests)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::memory::MemoryEngine;
    use crate::{Fault, Read, Scope, Span, Store, Table};

    struct Names;

    impl Table for Names {
        const PREFIX: u8 = 0x20;
        const NAME: &'static str = "names";
        type Key = u32;
        type Value = Name;
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Name(String);
    crate::versioned!(Name, 1);

    fn name(text: &str) -> Name {
        Name(text.to_owned())
    }

    fn store() -> Store {
        Store::open(Arc::new(MemoryEngine::new())).unwrap()
    }

    #[test]
    fn rollback_goes_back_to_the_savepoint_only() {
        let store = store();
        let mut txn = store.begin();
        txn.begin();
        txn.insert::<Names>(&1, &name("one")).unwrap();
        txn.insert::<Names>(&2, &name("two")).unwrap();
        assert_eq!(txn.changed_keys(), 2);
        txn.keep();
        txn.begin();
        txn.put::<Names>(&1, &name("uno")).unwrap();
        txn.put::<Names>(&1, &name("un")).unwrap();
        assert!(txn.delete::<Names>(&2).unwrap());
        assert!(!txn.delete::<Names>(&2).unwrap());
        txn.insert::<Names>(&3, &name("three")).unwrap();
        assert_eq!(txn.changed_keys(), 3);
        txn.rollback();
        assert_eq!(txn.changed_keys(), 0);
        store.commit(txn).unwrap();
        let view = store.view();
        let names: Result<Vec<_>, Fault> = view.scan::<Names>(Span::all()).collect();
        assert_eq!(names.unwrap(), [(1, name("one")), (2, name("two"))]);
        assert_eq!(view.digests().table(Names::PREFIX).count, 2);
    }

    #[test]
    fn a_key_is_inserted_once() {
        let store = store();
        let mut txn = store.begin();
        txn.insert::<Names>(&1, &name("one")).unwrap();
        assert_eq!(txn.insert::<Names>(&1, &name("two")).unwrap_err().code(), "storage_key_exists");
        txn.delete::<Names>(&1).unwrap();
        txn.insert::<Names>(&1, &name("three")).unwrap();
        store.commit(txn).unwrap();
        let mut txn = store.begin();
        assert!(txn.contains::<Names>(&1).unwrap());
        assert_eq!(txn.insert::<Names>(&1, &name("four")).unwrap_err().code(), "storage_key_exists");
    }

    #[test]
    fn a_second_writer_is_refused() {
        let store = store();
        let (mut first, mut second) = (store.begin(), store.begin());
        first.put::<Names>(&1, &name("first")).unwrap();
        second.put::<Names>(&1, &name("second")).unwrap();
        store.commit(first).unwrap();
        assert_eq!(store.commit(second).unwrap_err().code(), "storage_second_writer");
        assert_eq!(store.view().get::<Names>(&1).unwrap(), Some(name("first")));
    }

    #[test]
    fn scopes_do_not_see_each_other() {
        let store = store();
        let mut txn = store.begin();
        txn.set_scope(Scope(1));
        txn.put::<Names>(&1, &name("one")).unwrap();
        txn.set_scope(Scope(2));
        txn.put::<Names>(&1, &name("other")).unwrap();
        store.commit(txn).unwrap();
        assert_eq!(store.view().get::<Names>(&1).unwrap(), None);
        let view = store.view().in_scope(Scope(1));
        assert_eq!(view.get::<Names>(&1).unwrap(), Some(name("one")));
        assert_eq!(view.scan::<Names>(Span::all()).count(), 1);
    }

    #[test]
    fn spans_select_and_resume() {
        let store = store();
        let mut txn = store.begin();
        for key in 1..=5 {
            txn.insert::<Names>(&key, &name("x")).unwrap();
        }
        let check = |span: Span<Names>, expect: &[u32]| {
            let keys: Vec<u32> = txn.scan(span).map(|record| record.unwrap().0).collect();
            assert_eq!(keys, expect);
        };
        check(Span::all(), &[1, 2, 3, 4, 5]);
        check(Span::from(&2).until(&4), &[2, 3]);
        check(Span::after(&2).reversed(), &[5, 4, 3]);
        check(Span::prefix(&0u16).resume_after(&3), &[4, 5]);
        check(Span::prefix(&0u16).reversed().resume_after(&3), &[2, 1]);
        check(Span::after(&4).until(&2), &[]);
        check(Span::prefix(&9u16), &[]);
    }

    #[test]
    fn records_without_digests_are_refused() {
        let engine = Arc::new(MemoryEngine::new());
        let mut batch = crate::Batch::default();
        batch.put([0x20, 0, 0, 0, 0].as_slice().into(), [1].as_slice().into());
        crate::Engine::commit(&*engine, batch).unwrap();
        assert!(Store::open(engine).is_err_and(|fault| fault.code() == "storage_corrupt"));
    }
}
