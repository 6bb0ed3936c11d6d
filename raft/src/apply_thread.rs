//! Where the applier runs: on a thread of its own, or, in a simulation, wherever it is called.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use crate::{
    applier::Applier,
    error::{Fault, FaultLine},
};

/// Something for the applier to do.
type Job = Box<dyn FnOnce(&mut Applier) + Send>;

/// Hands work to the applier and waits for it. openraft asks for one thing at a time, so the queue needs no bound.
#[derive(Clone)]
pub(crate) struct ApplyThread {
    place: Place,
    fault_line: FaultLine,
    halted: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Place {
    Thread(mpsc::Sender<Job>),
    Inline(Arc<Mutex<Applier>>),
}

impl ApplyThread {
    /// Starts the thread. It ends when the last clone of the handle is gone.
    pub(crate) fn spawn(
        mut applier: Applier,
        fault_line: FaultLine,
    ) -> Result<(ApplyThread, JoinHandle<()>), Fault> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("apply".into())
            .spawn(move || {
                for job in queue {
                    job(&mut applier);
                }
            })
            .map_err(|_| Fault::Thread("apply"))?;
        Ok((ApplyThread::new(Place::Thread(jobs), fault_line), thread))
    }

    /// Runs the applier on the callers' own thread: for simulations, where everything must happen on one.
    pub(crate) fn inline(applier: Applier, fault_line: FaultLine) -> ApplyThread {
        ApplyThread::new(Place::Inline(Arc::new(Mutex::new(applier))), fault_line)
    }

    fn new(place: Place, fault_line: FaultLine) -> ApplyThread {
        ApplyThread { place, fault_line, halted: Arc::default() }
    }

    /// From now on nothing is applied.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Runs `work` with the applier. A fault is reported and returned as openraft wants it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Applier) -> Result<T, Fault> + Send + 'static,
    ) -> io::Result<T> {
        if self.halted.load(Ordering::Acquire) {
            return Err(io::Error::other("this host has crashed"));
        }
        let result = match &self.place {
            Place::Inline(applier) => {
                let mut applier = applier.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                work(&mut applier)
            }
            Place::Thread(jobs) => {
                let (reply, done) = oneshot::channel();
                let job: Job = Box::new(move |applier| {
                    // Nobody waits any more when the host is being torn down.
                    let _ = reply.send(work(applier));
                });
                match jobs.send(job) {
                    Ok(()) => done.await.unwrap_or(Err(Fault::Thread("apply"))),
                    Err(_) => Err(Fault::Thread("apply")),
                }
            }
        };
        result.map_err(|fault| self.fault_line.report(&fault))
    }
}
