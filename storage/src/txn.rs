//! The changes of one run of log entries, over the engine, until they become one batch.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::codec::Value;
use crate::engine::{Direction, Engine, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::key::{Scope, is_replicated};
use crate::overlay::{Merge, Ranged};
use crate::read::{ReadBytes, table_key};
use crate::store::Store;
use crate::table::Table;

/// How many values that were only read are remembered; beyond it the memory is emptied and begins anew.
const MAX_REMEMBERED_READS: usize = 16 << 10;

/// What a transaction has written, by whole key.
pub(crate) type Written = BTreeMap<Raw, Slot>;

/// One written key.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// The value in the engine, for replicated tables only: digest and exports need it.
    pub(crate) old: Option<Raw>,
    /// The value it will have; `None`: deleted.
    pub(crate) new: Option<Raw>,
    /// The savepoint since which it has last been changed.
    savepoint: u64,
}

/// Changes over the state at which it began. One command runs between [`begin`](Txn::begin) and [`keep`](Txn::keep) or
/// [`rollback`](Txn::rollback); all commands of a run become one batch with [`Store::commit`].
///
/// It holds no lock: that nobody else commits meanwhile is checked when it is committed.
pub struct Txn<'s> {
    pub(crate) engine: Arc<dyn Engine>,
    /// The number of the commit after which it began.
    pub(crate) began: u64,
    pub(crate) written: Written,
    reads: RefCell<HashMap<Raw, Option<Raw>>>,
    /// The ends of the keys that were written in tables where ends are sought, also of what was taken back.
    sought: BTreeSet<(u8, Raw)>,
    undo: Vec<(Raw, Option<Slot>)>,
    savepoint: u64,
    scope: Scope,
    store: PhantomData<&'s Store>,
}

impl<'s> Txn<'s> {
    pub(crate) fn over(engine: Arc<dyn Engine>, began: u64) -> Txn<'s> {
        Txn {
            engine,
            began,
            written: BTreeMap::new(),
            reads: RefCell::default(),
            sought: BTreeSet::new(),
            undo: Vec::new(),
            savepoint: 0,
            scope: Scope::NODE,
            store: PhantomData,
        }
    }

    /// Sets the scope of all that follows. It begins in [`Scope::NODE`].
    pub fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// Sets a savepoint: one command begins. What came before is kept.
    pub fn begin(&mut self) {
        self.undo.clear();
        self.savepoint += 1;
    }

    /// Takes back everything since the savepoint.
    pub fn rollback(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(slot) => self.written.insert(key, slot),
                None => self.written.remove(&key),
            };
        }
        self.savepoint += 1;
    }

    /// Keeps everything since the savepoint: the command is done.
    pub fn keep(&mut self) {
        self.begin();
    }

    /// How many keys have been changed since the savepoint.
    pub fn changed_keys(&self) -> usize {
        self.undo.len()
    }

    /// Sets a record, whether it is there or not. Reads the old one once, if the table is replicated.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> Result<(), Fault> {
        let key = table_key::<T>(self.scope, key)?;
        let new = Raw::from(value.encode()?);
        self.seek::<T>(&key);
        if let Some((key, slot)) = self.slot(&key) {
            self.change(key, slot.old, Some(new));
        } else {
            let old = if is_replicated(T::PREFIX) { self.stored(&key)? } else { None };
            self.change(key.into(), old, Some(new));
        }
        Ok(())
    }

    /// Adds a record whose key is new, without reading the engine. A key that is there already is a defect of the
    /// caller: found at once if this run wrote or read it, and always in builds with debug assertions; else the digest
    /// is wrong from here on, and the next scrub says so.
    pub fn insert<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> Result<(), Fault> {
        let key = table_key::<T>(self.scope, key)?;
        let new = Raw::from(value.encode()?);
        self.seek::<T>(&key);
        let (key, old) = match self.slot(&key) {
            Some((_, Slot { new: Some(_), .. })) => return Err(Fault::KeyExists { table: T::PREFIX }),
            Some((key, slot)) => (key, slot.old),
            None => {
                let known = self.reads.borrow().get(key.as_slice()).cloned().flatten();
                if known.is_some() || (cfg!(debug_assertions) && self.engine.get(&key)?.is_some()) {
                    return Err(Fault::KeyExists { table: T::PREFIX });
                }
                (Raw::from(key), None)
            }
        };
        self.change(key, old, Some(new));
        Ok(())
    }

    /// Removes a record; returns whether it was there.
    pub fn delete<T: Table>(&mut self, key: &T::Key) -> Result<bool, Fault> {
        let key = table_key::<T>(self.scope, key)?;
        if let Some((key, slot)) = self.slot(&key) {
            let was_there = slot.new.is_some();
            if was_there {
                self.change(key, slot.old, None);
            }
            return Ok(was_there);
        }
        let Some(old) = self.stored(&key)? else { return Ok(false) };
        self.change(key.into(), Some(old), None);
        Ok(true)
    }

    /// Remembers the end of a key that is being written.
    fn seek<T: Table>(&mut self, key: &[u8]) {
        if T::SOUGHT_TAIL > 0 {
            let tail = &key[key.len().saturating_sub(T::SOUGHT_TAIL)..];
            self.sought.insert((T::PREFIX, tail.into()));
        }
    }

    fn slot(&self, key: &[u8]) -> Option<(Raw, Slot)> {
        self.written.get_key_value(key).map(|(key, slot)| (key.clone(), slot.clone()))
    }

    /// The value in the engine, read at most once in a run.
    fn stored(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        if let Some(known) = self.reads.borrow().get(key) {
            return Ok(known.clone());
        }
        self.engine.get(key)
    }

    fn change(&mut self, key: Raw, old: Option<Raw>, new: Option<Raw>) {
        let slot = Slot { old, new, savepoint: self.savepoint };
        let before = self.written.insert(key.clone(), slot);
        // Only the first change since the savepoint must be remembered: rollback goes back to before it.
        if before.as_ref().is_none_or(|before| before.savepoint != self.savepoint) {
            self.undo.push((key, before));
        }
    }
}

impl ReadBytes for Txn<'_> {
    fn scope(&self) -> Scope {
        self.scope
    }

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        if let Some(slot) = self.written.get(key) {
            return Ok(slot.new.clone());
        }
        if let Some(known) = self.reads.borrow().get(key) {
            return Ok(known.clone());
        }
        let found = self.engine.get(key)?;
        let mut reads = self.reads.borrow_mut();
        if reads.len() >= MAX_REMEMBERED_READS {
            reads.clear();
        }
        reads.insert(key.into(), found.clone());
        Ok(found)
    }

    fn may_hold_bytes(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault> {
        Ok(self.sought.contains(&(prefix, tail.into())) || self.engine.may_hold(prefix, tail)?)
    }

    fn scan_bytes<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        if self.written.is_empty() {
            return self.engine.scan(range, direction);
        }
        let written = Ranged::new(&self.written, &range, direction);
        Box::new(Merge::new(written, direction, self.engine.scan(range, direction)))
    }
}
