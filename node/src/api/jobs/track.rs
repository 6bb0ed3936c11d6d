//! The jobs that run on this node: so few at once, and none before those of an earlier life are ended.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use shop::Code;
use shop::ids::JobId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gateway::Problem;

/// Each holds a file in memory.
const AT_ONCE: usize = 2;

/// What runs here.
#[derive(Debug)]
pub struct Jobs {
    places: Arc<Semaphore>,
    running: Mutex<HashSet<JobId>>,
    lost_are_ended: AtomicBool,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            running: Mutex::default(),
            lost_are_ended: AtomicBool::new(false),
        }
    }
}

impl Jobs {
    /// Takes one of the places.
    ///
    /// # Errors
    /// `overloaded` when all are taken, `not_ready` until the jobs of an earlier life are ended.
    pub fn begin(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if !self.lost_are_ended.load(Ordering::Acquire) {
            return Err(Problem::new(Code::NotReady, "this node has just started").retry_after(1));
        }
        let taken = |_| {
            let detail = format!("{AT_ONCE} jobs are running on this node");
            Problem::new(Code::Overloaded, detail).retry_after(5)
        };
        Arc::clone(&self.places).try_acquire_owned().map_err(taken)
    }

    /// From now on jobs may begin.
    pub fn lost_are_ended(&self) {
        self.lost_are_ended.store(true, Ordering::Release);
    }

    pub fn started(&self, id: JobId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    pub fn ended(&self, id: JobId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub fn is_running(&self, id: JobId) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}
