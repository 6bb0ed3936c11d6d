//! Telling the shop what happened: signed, and as unreliably as asked for.
//!
//! Source: <https://docs.stripe.com/webhooks>.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::control::{DeliveryOrder, Mode, Webhooks};
use super::store::App;

/// For one delivery.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Deliveries of one event that fail; the first waits a second, each further one twice as long.
const MAX_ATTEMPTS: u32 = 8;
/// Deliveries that wait; what comes on top is lost, as it is with real ones that give up.
const MAX_WAITING: usize = 50_000;
const REVERSED_WINDOW_MS: u64 = 200;

/// Something that happened, before it has an id.
pub(super) struct Notice {
    pub kind: &'static str,
    pub object: Value,
}

impl Notice {
    /// The event as it is sent, every time.
    pub(super) fn event(self, id: String, now_s: i64) -> Arc<str> {
        json!({
            "id": id,
            "object": "event",
            "type": self.kind,
            "api_version": "2025-03-31.basil",
            "created": now_s,
            "livemode": false,
            "data": {"object": self.object},
        })
        .to_string()
        .into()
    }
}

/// A delivery that waits. Ordered by when it is due, then by rank.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    due: Instant,
    rank: i64,
    attempt: u32,
    event: Arc<str>,
}

#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: BinaryHeap<Reverse<Delivery>>,
    held: Vec<Arc<str>>,
    put: i64,
    delivered: u64,
    failed: u64,
    lost: u64,
    window: Option<Instant>,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in, and decides by the settings of this moment when it goes out.
    pub(super) fn put(&self, event: Arc<str>, settings: &Webhooks) {
        let mut queue = self.queue();
        match settings.mode {
            Mode::Off => {}
            Mode::Hold if queue.held.len() >= MAX_WAITING => queue.lost += 1,
            Mode::Hold => queue.held.push(event),
            Mode::Deliver => queue.schedule(event, settings.order, settings),
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Sends what is held, now.
    pub(super) fn release(&self, order: DeliveryOrder, settings: &Webhooks) {
        let mut queue = self.queue();
        let mut held = std::mem::take(&mut queue.held);
        if order == DeliveryOrder::Reversed {
            held.reverse();
        }
        for event in held {
            queue.schedule(event, DeliveryOrder::InOrder, settings);
        }
        drop(queue);
        self.changed.notify_one();
    }

    pub(super) fn clear(&self) {
        let mut queue = self.queue();
        queue.waiting.clear();
        queue.held.clear();
    }

    pub(super) fn counts(&self) -> Value {
        let queue = self.queue();
        json!({
            "waiting": queue.waiting.len(),
            "held": queue.held.len(),
            "delivered": queue.delivered,
            "failed": queue.failed,
            "lost": queue.lost,
        })
    }
}

impl Queue {
    fn schedule(&mut self, event: Arc<str>, order: DeliveryOrder, settings: &Webhooks) {
        let now = Instant::now();
        self.put += 1;
        let (due, rank) = match order {
            DeliveryOrder::InOrder => (now + Duration::from_millis(settings.delay_ms), self.put),
            DeliveryOrder::Reversed => {
                let window = Duration::from_millis(settings.delay_ms.max(REVERSED_WINDOW_MS));
                let end = self.window.filter(|end| *end > now).unwrap_or(now + window);
                self.window = Some(end);
                (end, -self.put)
            }
        };
        for _ in 0..settings.copies {
            self.push(Delivery { due, rank, attempt: 1, event: event.clone() });
        }
    }

    fn push(&mut self, delivery: Delivery) {
        if self.waiting.len() >= MAX_WAITING {
            self.lost += 1;
        } else {
            self.waiting.push(Reverse(delivery));
        }
    }

    /// The next delivery, or when to look again.
    fn due(&mut self, now: Instant) -> Result<Delivery, Option<Instant>> {
        match self.waiting.peek() {
            None => Err(None),
            Some(Reverse(next)) if next.due > now => Err(Some(next.due)),
            Some(_) => self.waiting.pop().map(|Reverse(delivery)| delivery).ok_or(None),
        }
    }
}

/// Delivers until it is told to stop.
pub(super) async fn deliver(app: App, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    loop {
        let room = under_way.len() < app.store().settings.webhooks.concurrency;
        let next = if room { app.outbox.queue().due(Instant::now()) } else { Err(None) };
        let wake = match next {
            Ok(delivery) => {
                under_way.spawn(attempt(app.clone(), delivery));
                continue;
            }
            Err(wake) => wake,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.outbox.changed.notified() => {}
            Some(_) = under_way.join_next() => {}
            () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
    }
}

async fn attempt(app: App, delivery: Delivery) {
    let url = app.store().settings.webhook_url(delivery.attempt);
    // Nobody listens: what happens meanwhile is never told.
    let Some(url) = url else { return };
    let signature = signature(&app.webhook_secret, app.now_s(), delivery.event.as_bytes());
    let request = app
        .http
        .post(url)
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", signature)
        .body(delivery.event.to_string());
    let accepted = request.send().await.is_ok_and(|response| response.status().is_success());
    let mut queue = app.outbox.queue();
    if accepted {
        queue.delivered += 1;
        return;
    }
    queue.failed += 1;
    if delivery.attempt < MAX_ATTEMPTS {
        let pause = Duration::from_secs(1 << (delivery.attempt - 1).min(10));
        queue.push(Delivery { due: Instant::now() + pause, attempt: delivery.attempt + 1, ..delivery });
    }
}

fn signature(secret: &SecretString, now_s: i64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(now_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    tag.iter().fold(format!("t={now_s},v1="), |text, byte| format!("{text}{byte:02x}"))
}
