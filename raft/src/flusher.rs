//! Makes the state durable, now and then. The log is what was promised; the state may be behind it on disk and is
//! replayed from there. Flushing only bounds how much.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use storage::Store;

use crate::{
    error::{Fault, FaultLine},
    observer::Observer,
    progress::{Applied, Progress},
};

#[derive(Clone)]
pub(crate) struct Flusher {
    pub store: Arc<Store>,
    pub progress: Arc<Progress>,
    pub observer: Arc<dyn Observer>,
    /// Whether a flush may use a thread of the blocking pool. A simulation has none.
    pub off_thread: bool,
}

impl Flusher {
    /// Flushes on this thread; returns what is durable now.
    pub(crate) fn flush(&self) -> Result<Applied, Fault> {
        let started = Instant::now();
        let upto = self.progress.flush_begins();
        self.store.flush()?;
        self.progress.flush_done(&upto);
        self.observer.flushed(upto.log_id.map_or(0, |id| id.index), started.elapsed());
        Ok(upto)
    }

    /// Flushes without holding up the caller's runtime.
    pub(crate) async fn flush_aside(&self) -> Result<Applied, Fault> {
        if !self.off_thread {
            return self.flush();
        }
        let flusher = self.clone();
        tokio::task::spawn_blocking(move || flusher.flush()).await.unwrap_or(Err(Fault::Thread("flush")))
    }

    /// Flushes for the last time, and closes the store.
    pub(crate) async fn close(&self) -> Result<(), Fault> {
        self.flush_aside().await?;
        if !self.off_thread {
            return Ok(self.store.close()?);
        }
        let store = self.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        Ok(closed.map_err(|_| Fault::Thread("closing"))??)
    }

    /// Makes sure that `index` is durable, if it is applied.
    pub(crate) fn flush_to(&self, index: u64) -> Result<(), Fault> {
        if !self.progress.is_durable(index) {
            self.flush()?;
        }
        Ok(())
    }

    /// Flushes every `period` and whenever enough entries have gathered, until a flush fails.
    pub(crate) async fn run(self, period: Duration, fault_line: FaultLine) {
        loop {
            tokio::select! {
                biased;
                () = self.progress.flush_due.notified() => {}
                () = tokio::time::sleep(period) => {}
            }
            if self.progress.is_flushed() {
                continue;
            }
            if let Err(fault) = self.flush_aside().await {
                fault_line.report(&fault);
                return;
            }
        }
    }
}
