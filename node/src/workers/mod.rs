//! Background work: reconcilers that compare the committed state with what should be, and act on the difference.
//!
//! What it owns: when to look, how often to try again, and which node acts (a lease, whose epoch goes with every command).
//! What it never does: keep anything that a crash could lose. A worker that starts anew finds all that is left to do in
//! the state.

pub mod census;
mod desk;
#[cfg(test)]
mod fixtures;
pub mod notifications;
pub mod payments;
mod retention;
mod share;
pub mod sms;
mod supervisor;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::config::Workers as Settings;
use crate::effects::mail::Mailer;
use crate::effects::provider::PaymentProvider;
use crate::effects::sms::Twilio;
use crate::replica::Replica;
use crate::telemetry::Metrics;

pub use census::Census;
pub use desk::Desk;

/// What the workers are made of.
pub struct Parts {
    pub replica: Replica,
    pub clock: SystemClock,
    pub metrics: Metrics,
    /// This node's id: the holder of leases.
    pub node: u64,
    pub settings: Settings,
    /// Payment providers by the name that orders carry.
    pub providers: Vec<Arc<dyn PaymentProvider>>,
    /// `None`: no mail is sent, and none is noted as due.
    pub mail: Option<Mail>,
    /// `None`: no text messages are sent, and none are noted as due.
    pub sms: Option<Arc<Twilio>>,
}

/// How mails leave.
pub struct Mail {
    pub mailer: Arc<Mailer>,
    /// The part of `Message-ID` after the `@`.
    pub domain: String,
}

/// Running workers.
#[derive(Debug)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// Starts one task for each kind of work. Which of its queues this node does is decided all the time.
    pub fn start(parts: Parts) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        if parts.settings.enabled {
            let (applied, present) = (parts.replica.host.applied(), parts.replica.peers.watch());
            let desk = Desk::new(parts.replica, parts.clock, parts.metrics, parts.settings);
            let supervise = |reconciler| {
                let supervisor = supervisor::Supervisor {
                    desk: desk.for_another(),
                    node: parts.node,
                    applied: applied.clone(),
                    present: present.clone(),
                    stop: stop.clone(),
                };
                tasks.spawn(supervisor.run(reconciler));
            };
            supervise(Box::new(payments::Payments::new(parts.providers)) as Box<dyn supervisor::Reconciler>);
            supervise(Box::new(notifications::Notifications::new(parts.mail)));
            supervise(Box::new(sms::Sms::new(parts.sms)));
            supervise(Box::<retention::Retention>::default());
        }
        tasks.close();
        Self { stop, tasks }
    }

    /// Starts nothing new, waits for what is under way, and gives the leases back. What does not end within the caller's patience is found
    /// again at the next start.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
