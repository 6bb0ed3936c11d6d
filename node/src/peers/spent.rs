//! What was spent of callers' limits, told to all peers. The gateway writes and reads the messages; here they only travel.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::Instant;

use super::{Peers, kind};

/// After this a message is too old to matter.
const DEADLINE: Duration = Duration::from_millis(500);

impl Peers {
    /// Who hears such messages of others from now on. The first one told stays.
    pub fn hear_spent(&self, hear: impl Fn(Bytes) + Send + Sync + 'static) {
        // An error means that it was told before.
        let _ = self.0.hear_spent.set(Box::new(hear));
    }

    /// Sends a message to every other member. One that does not take it in time does without.
    pub async fn tell_spent(&self, message: Bytes) {
        let (own, deadline) = (self.node(), Instant::now() + DEADLINE);
        let members = self.0.host.status().members;
        let told = members.iter().filter(|member| member.id != own).map(|member| {
            let message = message.clone();
            async move {
                if let Err(error) = self.call(member.id, kind::SPENT, message, deadline).await {
                    tracing::debug!(peer = member.id, %error, "not told what callers spent");
                }
            }
        });
        join_all(told).await;
    }
}
