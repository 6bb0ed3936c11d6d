//! What the keys changed since an export had at its moment: in memory up to a bound, beyond it in sorted files.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::engine::Raw;
use crate::fault::Fault;
use crate::snapshot::export::ExportLimits;
use crate::snapshot::run::{PreImage, Run};

/// What a map entry costs beside its bytes, roughly.
const ENTRY_BYTES: usize = 64;

/// A key that a commit is about to change, and what it has now.
pub(crate) type Changed<'a> = (&'a Raw, &'a Option<Raw>);

/// The pre-images of one export.
pub(super) struct PreImages {
    limits: ExportLimits,
    newest: BTreeMap<Raw, Option<Raw>>,
    newest_bytes: usize,
    /// Oldest first. A key may be in several: the oldest one counts.
    runs: Vec<Arc<Run>>,
    spilled_bytes: u64,
    lost: Option<String>,
}

impl PreImages {
    pub(super) fn new(limits: ExportLimits) -> PreImages {
        PreImages {
            limits,
            newest: BTreeMap::new(),
            newest_bytes: 0,
            runs: Vec::new(),
            spilled_bytes: 0,
            lost: None,
        }
    }

    /// Before a commit: what it will change. A failure here ends the export, never the commit.
    pub(super) fn publish<'a>(&mut self, changed: impl Iterator<Item = Changed<'a>>) {
        if self.lost.is_some() {
            return;
        }
        for (key, old) in changed {
            if self.newest.contains_key(key) {
                continue;
            }
            self.newest_bytes += ENTRY_BYTES + key.len() + old.as_ref().map_or(0, |old| old.len());
            self.newest.insert(key.clone(), old.clone());
            if self.newest_bytes > self.limits.memory_bytes
                && let Err(detail) = self.spill()
            {
                tracing::warn!(%detail, "export lost");
                *self = PreImages { lost: Some(detail), ..PreImages::new(self.limits.clone()) };
                return;
            }
        }
    }

    /// The runs after the first `known` ones, and up to `limit` of the pre-images in memory from `from` to `to` (both
    /// included; `None`: to the end).
    pub(super) fn range(
        &self,
        known: usize,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<Arc<Run>>, Vec<PreImage>), Fault> {
        if let Some(detail) = &self.lost {
            return Err(Fault::ExportLost { detail: detail.clone() });
        }
        let to = to.map_or(Bound::Unbounded, Bound::Included);
        let newest = self.newest.range::<[u8], _>((Bound::Included(from), to)).take(limit);
        Ok((self.runs[known..].to_vec(), newest.map(|(key, old)| (key.clone(), old.clone())).collect()))
    }

    /// The keys that changed: those spilled, as readers to merge, and those in memory.
    pub(super) fn changed(&self) -> Result<(Vec<Arc<Run>>, Vec<Raw>), Fault> {
        match &self.lost {
            Some(detail) => Err(Fault::ExportLost { detail: detail.clone() }),
            None => Ok((self.runs.clone(), self.newest.keys().cloned().collect())),
        }
    }

    /// Whether they take half of what they may.
    pub(super) fn is_crowded(&self) -> bool {
        self.runs.len() * 2 > self.limits.spill_files || self.spilled_bytes > self.limits.spill_bytes / 2
    }

    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    fn spill(&mut self) -> Result<(), String> {
        let directory = &self.limits.spill_dir;
        let run = Run::write(directory, self.newest.iter()).map_err(|error| {
            format!("its pre-images could not be written to {}: {error}", directory.display())
        })?;
        self.spilled_bytes += run.bytes();
        self.runs.push(Arc::new(run));
        self.newest.clear();
        self.newest_bytes = 0;
        let (files, bytes) = (self.runs.len(), self.spilled_bytes);
        if files > self.limits.spill_files || bytes > self.limits.spill_bytes {
            return Err(format!("its pre-images outgrew their bound, with {bytes} bytes in {files} files"));
        }
        Ok(())
    }
}
