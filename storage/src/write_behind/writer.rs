//! The thread that brings pending changes into the engine, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::engine::{Batch, Engine};
use crate::fault::Fault;

use super::hot::Hot;
use super::pending::{Changes, Pending};
use super::redo::Redo;
use super::sought::Sought;

/// So many changes are brought into the engine before the thread rests.
const PIECE_CHANGES: usize = 1_024;
/// After so many pieces they are made durable: some 15 MB. More often, and the log waits for the disk again and again.
const FLUSH_PIECES: usize = 16;
/// The longest rest between two pieces.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// When generations are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How large a generation grows before it is written, in bytes. The larger, the more often a hot record is written
    /// once instead of many times; and the more of the log is replayed after a crash.
    pub(super) generation_bytes: usize,
    /// How large it may grow while the one before is still being written; then commits wait.
    pub(super) most_bytes: usize,
    /// How old it may grow, so that a shop with little to do has little to replay either.
    pub(super) max_age: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { generation_bytes: 16 << 20, most_bytes: 64 << 20, max_age: Duration::from_secs(10) }
    }
}

/// What the engine's users and the thread share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) redo: Redo,
    pub(super) hot: Hot,
    pub(super) sought: Sought,
    limits: Limits,
    pending: RwLock<Pending>,
    turn: Mutex<Turn>,
    /// Told at every change of `turn`.
    changed: Condvar,
}

#[derive(Default)]
struct Turn {
    /// Somebody wants the young generation to be written now.
    is_wanted: bool,
    /// The thread shall end when everything is written.
    is_stopping: bool,
    /// The thread shall end at once.
    is_retired: bool,
    /// The last generation that is durable, by number.
    durable: u64,
    /// The thread has ended.
    has_ended: bool,
    /// Why the thread has ended, if it could not go on.
    failed: Option<String>,
}

impl Shared {
    pub(super) fn new(engine: Arc<dyn Engine>, redo: Redo, limits: Limits) -> Shared {
        Shared {
            engine,
            redo,
            limits,
            hot: Hot::default(),
            sought: Sought::default(),
            pending: RwLock::default(),
            turn: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn pending(&self) -> RwLockReadGuard<'_, Pending> {
        // A batch is added whole or, after a panic, the process goes: nothing is left half done.
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn commit(&self, batch: Batch) -> Result<(), Fault> {
        let (before, after) = {
            let mut pending = self.pending_mut();
            let before = pending.young_bytes();
            self.sought.note(batch.writes());
            pending.add(batch);
            self.sought.renew(|prefix| pending.keys_of(prefix));
            (before, pending.young_bytes())
        };
        let full = self.limits.generation_bytes;
        if before < full && after >= full {
            self.turn().is_wanted = true;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Begins to keep count of what a table has.
    pub(super) fn begin_to_seek(&self, prefix: u8, tail: usize) {
        // Held, so that nothing is committed meanwhile.
        let pending = self.pending();
        self.sought.begin(prefix, tail, pending.keys_of(prefix));
        drop(pending);
        // The thread has something to look through.
        self.turn().is_wanted = true;
        self.changed.notify_all();
    }

    /// Waits while too much is pending.
    pub(super) fn make_room(&self) -> Result<(), Fault> {
        let mut turn = self.turn();
        loop {
            still_writing(&turn)?;
            if turn.is_stopping {
                return Err(closed("take more in"));
            }
            // The thread takes the two locks one after the other, never this one within the other.
            if self.pending().young_bytes() < self.limits.most_bytes {
                return Ok(());
            }
            turn.is_wanted = true;
            self.changed.notify_all();
            turn = self.wait(turn);
        }
    }

    /// Returns when everything committed before is durable.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        let mut turn = self.turn();
        let target = {
            let pending = self.pending();
            pending.rotations + u64::from(pending.has_young())
        };
        while turn.durable < target {
            still_writing(&turn)?;
            // Nobody would ever write it.
            if turn.has_ended {
                return Err(closed("make more durable"));
            }
            // Told once: others who wait would tell each other again and again.
            if !std::mem::replace(&mut turn.is_wanted, true) {
                self.changed.notify_all();
            }
            turn = self.wait(turn);
        }
        still_writing(&turn)
    }

    /// Tells the thread to end: after everything is written, or at once.
    pub(super) fn stop(&self, at_once: bool) {
        let mut turn = self.turn();
        turn.is_stopping = true;
        turn.is_retired = at_once;
        self.changed.notify_all();
    }

    /// Waits until the thread has ended.
    pub(super) fn ended(&self) -> Result<(), Fault> {
        let mut turn = self.turn();
        while !turn.has_ended {
            turn = self.wait(turn);
        }
        still_writing(&turn)
    }

    /// The thread.
    pub(super) fn run(&self) {
        // Also when this panics: whoever waits must not wait for ever.
        let _ended = Ended(self);
        let mut failed = None;
        while failed.is_none() {
            failed = match self.is_told_to_write() {
                Ok(true) => self.write_generation().err(),
                Ok(false) => break,
                Err(fault) => Some(fault),
            };
        }
        if let Some(fault) = &failed {
            tracing::error!(%fault, code = fault.code(), "the state cannot be written");
        }
        self.turn().failed = failed.map(|fault| fault.to_string());
    }

    /// Waits until there is something to write, and looks meanwhile what there is; `false` when the thread shall end.
    fn is_told_to_write(&self) -> Result<bool, Fault> {
        let mut turn = self.turn();
        loop {
            if turn.is_retired {
                return Ok(false);
            }
            let has_young = self.pending().has_young();
            if turn.is_stopping {
                return Ok(has_young);
            }
            if std::mem::take(&mut turn.is_wanted) && has_young {
                return Ok(true);
            }
            drop(turn);
            let began = Instant::now();
            if self.sought.walk_on(&*self.engine)? {
                self.rest(began.elapsed().min(LONGEST_REST));
                turn = self.turn();
                continue;
            }
            turn = self.turn();
            // Told meanwhile.
            if turn.is_wanted || turn.is_stopping {
                continue;
            }
            let waited = self.changed.wait_timeout(turn, self.limits.max_age);
            let (next, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            turn = next;
            turn.is_wanted |= waited.timed_out();
        }
    }

    fn write_generation(&self) -> Result<(), Fault> {
        let (changes, number) = {
            let mut pending = self.pending_mut();
            (pending.rotate(), pending.rotations)
        };
        self.redo.write(&changes)?;
        self.turn().durable = number;
        self.changed.notify_all();
        self.bring_beneath(&changes)?;
        self.redo.remove()?;
        self.hot.arrived(&changes);
        // Freed without the lock.
        let settled = self.pending_mut().settle();
        drop((changes, settled));
        Ok(())
    }

    /// In pieces: after each the thread rests as long as it took, so that those who sell have the processor as often as it
    /// has. A few are made durable at a time: one large flush at the end would hold up the log, which is on the same disk.
    fn bring_beneath(&self, changes: &Changes) -> Result<(), Fault> {
        let changes: Vec<_> = changes.iter().map(|(key, value)| (key, value.as_ref())).collect();
        for (number, piece) in (1..).zip(changes.chunks(PIECE_CHANGES)) {
            let began = Instant::now();
            self.engine.write_sorted(piece)?;
            if number % FLUSH_PIECES == 0 {
                self.engine.flush()?;
            }
            self.rest_or_look(began.elapsed().min(LONGEST_REST))?;
        }
        self.engine.flush()
    }

    /// Looks so long what there is: until that is known, each new key is looked for beneath, which is worth a rest. If there is
    /// nothing to look through, rests.
    fn rest_or_look(&self, long: Duration) -> Result<(), Fault> {
        let began = Instant::now();
        while self.sought.walk_on(&*self.engine)? {
            if began.elapsed() >= long || self.turn().is_stopping {
                return Ok(());
            }
        }
        self.rest(long.saturating_sub(began.elapsed()));
        Ok(())
    }

    /// Waits so long, or until somebody waits for the thread, or the next generation is full.
    fn rest(&self, long: Duration) {
        let until = Instant::now() + long;
        let mut turn = self.turn();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_behind = self.pending().young_bytes() >= self.limits.generation_bytes;
            if left.is_zero() || turn.is_wanted || turn.is_stopping || is_behind {
                return;
            }
            let waited = self.changed.wait_timeout(turn, left);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pending_mut(&self) -> RwLockWriteGuard<'_, Pending> {
        self.pending.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'t>(&self, turn: MutexGuard<'t, Turn>) -> MutexGuard<'t, Turn> {
        self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells that the thread has ended.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut turn = self.0.turn();
        turn.has_ended = true;
        if std::thread::panicking() {
            turn.failed = Some("the thread that writes it has panicked".to_owned());
        }
        drop(turn);
        self.0.changed.notify_all();
    }
}

fn closed(doing: &'static str) -> Fault {
    Fault::Engine { doing, detail: "it is closed".to_owned() }
}

fn still_writing(turn: &Turn) -> Result<(), Fault> {
    match &turn.failed {
        None => Ok(()),
        Some(why) => {
            Err(Fault::Engine { doing: "bring committed records into its files", detail: why.clone() })
        }
    }
}
