//! What a reader sees: one moment of the store.

use std::sync::RwLockReadGuard;

use crate::digest::Digests;
use crate::engine::{Direction, KeyRange, Raw, Scan};
use crate::fault::Fault;
use crate::key::Scope;
use crate::read::ReadBytes;
use crate::snapshot::{Export, ExportLimits};
use crate::store::{Current, Store};

/// The store at one commit. Commits and installs wait until every view is dropped: keep it for one bounded query, never across a
/// wait, and never take a second one on the same thread while holding the first (a waiting commit would block it).
pub struct View<'s> {
    pub(crate) store: &'s Store,
    pub(crate) current: RwLockReadGuard<'s, Current>,
    pub(crate) scope: Scope,
}

impl View<'_> {
    /// The same moment, seen in another scope.
    pub fn in_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The digests at this moment.
    pub fn digests(&self) -> &Digests {
        &self.current.digests
    }

    /// Opens an export of this moment, within the store's own limits.
    pub fn export(&self) -> Result<Export, Fault> {
        self.export_within(self.store.export_limits())
    }

    /// Opens an export of this moment, within these limits.
    pub fn export_within(&self, limits: ExportLimits) -> Result<Export, Fault> {
        self.store.open_export(&self.current, limits)
    }
}

impl ReadBytes for View<'_> {
    fn scope(&self) -> Scope {
        self.scope
    }

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Raw>, Fault> {
        self.current.engine.get(key)
    }

    fn may_hold_bytes(&self, prefix: u8, tail: &[u8]) -> Result<bool, Fault> {
        self.current.engine.may_hold(prefix, tail)
    }

    fn scan_bytes<'a>(&'a self, range: KeyRange, direction: Direction) -> Scan<'a> {
        self.current.engine.scan(range, direction)
    }
}
