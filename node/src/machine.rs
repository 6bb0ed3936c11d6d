//! The shop as the replicated log's state machine, and the hook through which the node hears what was committed.

use std::sync::Arc;
use std::time::Instant;

use raft::{Entry, Machine};
use shop::command::Envelope;
use shop::event::Batch;
use shop::{EntryInfo, Reply, Shop};
use storage::{Fault, Txn};
use tokio::sync::broadcast;

use crate::auth::{Known, changes_signing};
use crate::telemetry::{Metrics, adopt};

/// Messages that a slow listener may be behind. One that is further behind is told so and searches the state.
const LISTENER_BACKLOG: usize = 1024;

/// What was committed, told once for each run of entries.
#[derive(Debug)]
pub enum Committed {
    /// Everything up to `index` is visible; these are the events in it, by command.
    Run { index: u64, batches: Vec<Batch> },
    /// A snapshot at `index` replaced the state: whatever was derived from the old one is void.
    Restored { index: u64 },
}

/// Where one listens for what is committed. Nobody who listens, however slowly, delays apply.
#[derive(Debug, Clone)]
pub struct AppliedHook(broadcast::Sender<Arc<Committed>>);

impl Default for AppliedHook {
    fn default() -> AppliedHook {
        AppliedHook(broadcast::Sender::new(LISTENER_BACKLOG))
    }
}

impl AppliedHook {
    /// Hears everything committed from now on. `Lagged` means that some was missed: look into the state instead.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.0.subscribe()
    }

    fn tell(&self, committed: Committed) {
        // Fails only when nobody listens.
        let _ = self.0.send(Arc::new(committed));
    }
}

/// The state machine that raft runs.
pub struct ShopMachine {
    shop: Shop,
    hook: AppliedHook,
    known: Arc<Known>,
    metrics: Metrics,
    /// Whether a command of this run has changed the keys that sign tokens.
    signing_changed: bool,
}

impl ShopMachine {
    pub fn new(hook: AppliedHook, known: Arc<Known>, metrics: Metrics) -> ShopMachine {
        ShopMachine { shop: Shop::telling(), hook, known, metrics, signing_changed: false }
    }
}

impl Machine for ShopMachine {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        let started = Instant::now();
        let info = EntryInfo {
            index: entry.index,
            now_ms: entry.now_ms,
            seed: entry.seed,
            active_version: entry.active_version,
        };
        let envelope = Envelope::decode(entry.payload)?;
        let command = envelope.command.name();
        let reply = traced(&envelope, entry.index, || self.shop.apply_envelope(tx, &info, &envelope))?;
        self.signing_changed |= changes_signing(&envelope.command);
        let outcome = storage::encode(&reply)?;
        self.metrics.commands.applied(command, started.elapsed());
        Ok(outcome)
    }

    fn raised(&mut self) -> Option<u32> {
        self.shop.take_raised()
    }

    fn committed(&mut self, index: u64) {
        let batches = self.shop.take_emitted();
        // Before anybody is told of the commit: a credential that it revokes is good for nothing any more.
        self.known.committed(&batches);
        if std::mem::take(&mut self.signing_changed) {
            self.known.signing_changed();
        }
        self.hook.tell(Committed::Run { index, batches });
    }

    fn restored(&mut self, index: u64) {
        self.shop.forget();
        self.known.forget();
        self.known.signing_changed();
        self.hook.tell(Committed::Restored { index });
    }
}

/// Applies within a span of the command's trace, if somebody collects that trace. For all others a span would only
/// cost: this runs once for every command, on the one thread that applies.
fn traced(
    envelope: &Envelope,
    index: u64,
    apply: impl FnOnce() -> Result<Reply, Fault>,
) -> Result<Reply, Fault> {
    const SAMPLED: u8 = 1;
    match &envelope.trace {
        Some(trace) if trace.flags & SAMPLED != 0 => {
            let command = envelope.command.name();
            let span = tracing::info_span!("apply", command, index, trace_id = tracing::field::Empty);
            adopt(&span, Some(trace));
            span.in_scope(apply)
        }
        _ => apply(),
    }
}

#[cfg(test)]
mod tests;
