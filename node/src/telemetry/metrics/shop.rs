//! The shop's own figures: what waits, what is held, what is being paid.

use prometheus::{Error, IntCounter, IntCounterVec, IntGaugeVec};

use super::Register;

#[derive(Debug)]
pub struct ShopMetrics {
    queue_lag: IntGaugeVec,
    holds: IntGaugeVec,
    payments: IntGaugeVec,
    effects: IntCounterVec,
    consumers_lost: IntCounter,
}

impl ShopMetrics {
    pub(super) fn new(register: &Register) -> Result<ShopMetrics, Error> {
        Ok(ShopMetrics {
            queue_lag: register.gauges(
                "queue_lag_events",
                "Events that a consumer group has not finished.",
                &["group"],
            )?,
            holds: register.gauges("stock_holds", "Holds on stock, by state.", &["state"])?,
            payments: register.gauges(
                "payment_attempts",
                "Payment attempts that are not final, by state.",
                &["state"],
            )?,
            effects: register.counters(
                "effects_total",
                "Calls of third parties, by kind and result.",
                &["kind", "result"],
            )?,
            consumers_lost: register.counter(
                "consumers_lost_total",
                "Members of consumer groups that were silent for too long: this node, as the leader, has ended their membership.",
            )?,
        })
    }

    /// `group` is a worker or a consumer group of the operator's.
    pub fn queue_lag(&self, group: &str, events: u64) {
        self.queue_lag.with_label_values(&[group]).set(events as i64);
    }

    /// Counts a member of a consumer group that was silent for too long.
    pub fn consumer_lost(&self) {
        self.consumers_lost.inc();
    }

    pub fn holds(&self, state: &'static str, count: u64) {
        self.holds.with_label_values(&[state]).set(count as i64);
    }

    pub fn payments(&self, state: &'static str, count: u64) {
        self.payments.with_label_values(&[state]).set(count as i64);
    }

    /// Counts one call, such as `("payment.create", "ok")` or `("mail", "timeout")`.
    pub fn effect(&self, kind: &'static str, result: &'static str) {
        self.effects.with_label_values(&[kind, result]).inc();
    }
}
