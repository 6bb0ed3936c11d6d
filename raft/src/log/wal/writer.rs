//! The thread that writes: it takes all that waits, writes it, makes it durable with one fsync, and tells everybody who waited. Who
//! comes meanwhile shares the next one (group commit), so a lone append waits for nobody.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use std::os::unix::fs::FileExt;

use super::{
    segment::{Ahead, Held, SEGMENT_BYTES, Segment},
    state::{Batch, State, Waiter},
};
use crate::{
    error::{Fault, FaultLine},
    log::format::sync_dir,
    observer::Observer,
};

/// What the log's handles and the writer share.
pub(super) struct Core {
    state: Mutex<State>,
    work: Condvar,
    pub fault_line: FaultLine,
    observer: Arc<dyn Observer>,
}

impl Core {
    pub(super) fn new(state: State, fault_line: FaultLine, observer: Arc<dyn Observer>) -> Core {
        Core { state: Mutex::new(state), work: Condvar::new(), fault_line, observer }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the log, unless it has failed, and wakes the writer if somebody waits then.
    pub(super) fn change(&self, change: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(why) = &state.failed {
            return Err(io::Error::other(why.clone()));
        }
        let changed = change(&mut state);
        if state.due {
            self.work.notify_one();
        }
        changed
    }

    /// Lets the writer finish what waits, and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    pub(super) fn report(&self, doing: &'static str, source: io::Error) -> io::Error {
        self.fault_line.report(&Fault::Log { doing, source })
    }

    /// Nothing is written any more: what the disk has is not known. A failed fsync is not tried again, because the pages may be
    /// marked clean, and the next one succeed without them; whoever opens the log next writes them again.
    fn fail(&self, batch: Vec<Waiter>, fault: &Fault) {
        let why = self.fault_line.report(fault).to_string();
        let waiting = {
            let mut state = self.lock();
            state.failed = Some(why.clone());
            state.take_waiters()
        };
        for waiter in batch.into_iter().chain(waiting) {
            self.tell(waiter, Err(io::Error::other(why.clone())));
        }
    }

    fn tell(&self, waiter: Waiter, result: io::Result<()>) {
        match waiter {
            Waiter::Append { flushed, entries, bytes, since } => {
                if result.is_ok() {
                    self.observer.durable(entries, bytes, since.elapsed());
                }
                flushed.io_completed(result);
            }
            // A receiver that is gone no longer wants to know.
            Waiter::Reply(reply) => drop(reply.send(result)),
        }
    }
}

/// The writing half of a log.
pub(super) struct Writer {
    pub core: Arc<Core>,
    pub dir: PathBuf,
    /// In order; the last one is written to.
    pub segments: Vec<Held>,
    /// Bytes of batches in the last one.
    pub used: u64,
    pub ahead: Ahead,
}

impl Writer {
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("wal".into()).spawn(move || self.run())
    }

    fn run(mut self) {
        let told = TellOfPanic(self.core.clone());
        while let Some((mut batch, begins)) = self.next() {
            if let Err(source) = self.write(&batch, begins) {
                self.core.fail(batch.waiters, &Fault::Log { doing: "making an append durable", source });
                break;
            }
            self.core.lock().written(&mut batch);
            for waiter in std::mem::take(&mut batch.waiters) {
                self.core.tell(waiter, Ok(()));
            }
            if let Err(source) = self.remove_purged(batch.purged) {
                self.core.fail(Vec::new(), &Fault::Log { doing: "removing what is purged", source });
                break;
            }
        }
        drop(told);
    }

    /// Waits for something to write. Also says where the segment begins that the batch needs, if it needs a new one.
    fn next(&mut self) -> Option<(Batch, Option<u64>)> {
        let mut state = self.core.lock();
        while !state.due && !state.closing {
            state = self.core.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // What nobody waits for is written in the end, too.
        if !state.due && !state.has_records() {
            return None;
        }
        let end = self.current().start + self.used;
        let is_full = self.used > 0 && self.used + state.batch_bytes() > SEGMENT_BYTES;
        let offset = if is_full { 0 } else { self.used };
        Some((state.take(end, offset, offset == 0), is_full.then_some(end)))
    }

    fn write(&mut self, batch: &Batch, begins: Option<u64>) -> io::Result<()> {
        if let Some(start) = begins {
            let segment = Arc::new(Segment::begin(&self.dir, start, self.ahead.take(&self.dir)?)?);
            self.core.lock().segments.push(segment.clone());
            self.segments.push(Held { segment, largest: 0 });
            self.used = 0;
        }
        let at = self.used;
        self.used += batch.bytes.len() as u64;
        if self.used > SEGMENT_BYTES / 2 {
            self.ahead.begin(&self.dir);
        }
        if let Some(held) = self.segments.last_mut() {
            held.largest = held.largest.max(batch.largest);
        }
        let file = &self.current().file;
        file.write_all_at(&batch.bytes, at)?;
        file.sync_data()
    }

    fn current(&self) -> &Segment {
        // There is always one: see `read_all` and `remove_purged`.
        &self.segments[self.segments.len() - 1].segment
    }

    /// Removes the segments that have nothing but what is purged, durably, in order.
    fn remove_purged(&mut self, purged: Option<u64>) -> io::Result<()> {
        let Some(purged) = purged else { return Ok(()) };
        let is_needed = |held: &Held| held.largest > purged;
        let others = self.segments.len() - 1;
        let gone = self.segments[..others].iter().position(is_needed).unwrap_or(others);
        for held in self.segments.drain(..gone) {
            fs::remove_file(&held.segment.path)?;
        }
        if gone > 0 {
            self.core.lock().segments.drain(..gone);
            sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

/// A panic ends the thread, and nobody would be told anything any more.
struct TellOfPanic(Arc<Core>);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Vec::new(), &Fault::Thread("wal"));
        }
    }
}
