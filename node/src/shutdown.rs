//! Why and when the process ends.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Signals this soon after the first are the first: wrappers such as timeout(1) send it to a process and once more to its
/// group.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// Told to everything that runs: stop taking work, finish what is under way.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    announced: CancellationToken,
    stopping: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Begins the end. Repeating it does nothing.
    pub fn begin(&self) {
        self.stopping.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Whether the end has begun, or is about to: balancers send nothing new any more, and what comes is answered.
    pub fn is_announced(&self) -> bool {
        self.announced.is_cancelled() || self.has_begun()
    }

    /// Waits for the beginning of the end.
    pub async fn begun(&self) {
        self.stopping.cancelled().await;
    }

    /// Begins the end `delay` after SIGTERM, which announces it, or on SIGINT. Another signal, at least a second later, ends the
    /// process at once, for whoever cannot wait: what was acknowledged is on disk anyway.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals(&self, delay: Duration) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                match first {
                    None => {
                        tracing::info!(signal = name, "shutting down");
                        first = Some(Instant::now());
                        // Who presses Ctrl-C stands before the node, not behind a balancer.
                        shutdown.begin_after(if name == "SIGTERM" { delay } else { Duration::ZERO });
                    }
                    Some(at) if at.elapsed() < ONE_SIGNAL => {}
                    Some(_) => {
                        tracing::warn!(signal = name, "another signal, ending at once");
                        exit_at_once();
                    }
                }
            }
        });
        Ok(())
    }
}

impl Shutdown {
    fn begin_after(&self, delay: Duration) {
        self.announced.cancel();
        if delay.is_zero() {
            return self.begin();
        }
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            shutdown.begin();
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "an operator who signals twice asks for no drain and no flush")]
fn exit_at_once() -> ! {
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Shutdown;

    #[tokio::test]
    async fn it_is_announced_before_it_begins() {
        let shutdown = Shutdown::new();
        shutdown.begin_after(Duration::from_millis(20));
        assert!(shutdown.is_announced() && !shutdown.has_begun());
        shutdown.begun().await;
        let at_once = Shutdown::new();
        at_once.begin_after(Duration::ZERO);
        assert!(at_once.has_begun());
    }

    #[tokio::test]
    async fn everybody_hears_it_also_who_asks_later() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.has_begun());
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        });
        shutdown.begin();
        shutdown.begin();
        waiting.await.unwrap();
        shutdown.begun().await;
        assert!(shutdown.has_begun());
    }
}
