//! Faults that wait for the next requests.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const MAX_WAITING: usize = 1000;

/// The requests that a fault is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    Any,
    Create,
    Confirm,
    Capture,
    Cancel,
    Refund,
    /// Look-ups of every kind.
    Read,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// The card is refused, whichever it is.
    Decline,
    /// The answer comes late, by `delay_ms`.
    Slow,
    /// The connection breaks and nothing was done.
    DropBefore,
    /// It is done, and the connection breaks.
    DropAfter,
    /// 500, and nothing was done.
    ErrorBefore,
    /// It is done, and the answer is 500, as it is under the same key ever after.
    ErrorAfter,
    /// 429 with `Retry-After`, and nothing was done.
    RateLimit,
}

/// A fault, and how often it strikes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub fault: Fault,
    #[serde(default = "any")]
    pub on: Target,
    #[serde(default = "once")]
    pub times: u32,
    /// For `slow`; the setting `slow_delay_ms` when absent.
    pub delay_ms: Option<u64>,
    /// For `rate_limit`.
    #[serde(default = "one_second")]
    pub retry_after_s: u64,
}

fn any() -> Target {
    Target::Any
}

fn once() -> u32 {
    1
}

fn one_second() -> u64 {
    1
}

#[derive(Default)]
pub(super) struct Faults(VecDeque<Order>);

impl Faults {
    /// Puts faults behind those that wait. False if there are too many.
    pub(super) fn add(&mut self, orders: Vec<Order>) -> bool {
        if self.0.len() + orders.len() > MAX_WAITING {
            return false;
        }
        self.0.extend(orders.into_iter().filter(|order| order.times > 0));
        true
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first fault that waits for such a request; used up once.
    pub(super) fn strike(&mut self, target: Target) -> Option<Order> {
        let place = self.0.iter().position(|order| order.on == target || order.on == Target::Any)?;
        let order = self.0.get_mut(place)?;
        order.times -= 1;
        let struck = order.clone();
        if order.times == 0 {
            self.0.remove(place);
        }
        Some(struck)
    }

    pub(super) fn waiting(&self) -> Vec<Order> {
        self.0.iter().cloned().collect()
    }
}
