//! The shop's own figures: what waits, what is held, what is being paid.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::Register;
use crate::workers::Census;

#[derive(Debug)]
pub struct ShopMetrics {
    queue_lag: IntGaugeVec,
    group_lag: IntGaugeVec,
    payments_due: IntGauge,
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
                "Events that a worker has not looked at, as the node tells that does its work.",
                &["group"],
            )?,
            group_lag: register.gauges(
                "consumer_group_lag_events",
                "Events that a consumer group has not finished, in the partition that is furthest behind; of the first 200 groups.",
                &["group"],
            )?,
            payments_due: register.gauge(
                "payment_orders_due",
                "Orders for which there is something to do at a payment provider now; counted up to 10,000.",
            )?,
            holds: register.gauges(
                "stock_holds",
                "Orders that hold stock until they are paid or expire; counted up to 5,000.",
                &["state"],
            )?,
            payments: register.gauges(
                "payment_attempts",
                "Payment attempts that are not final, by state; each list is counted up to 5,000, the oldest first.",
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

    pub fn queue_lag(&self, worker: &str, events: u64) {
        self.queue_lag.with_label_values(&[worker]).set(events as i64);
    }

    /// This node does not do the worker's work any more.
    pub fn forget_queue_lag(&self, worker: &str) {
        // An error says that it was not told before.
        self.queue_lag.remove_label_values(&[worker]).ok();
    }

    /// Tells what was counted in the state. Groups that are gone are told no more.
    pub fn sample(&self, census: &Census) {
        self.group_lag.reset();
        for (group, events) in &census.group_lag {
            self.group_lag.with_label_values(&[group]).set(*events as i64);
        }
        for (state, count) in &census.payments {
            self.payments.with_label_values(&[state]).set(*count as i64);
        }
        self.payments_due.set(census.payments_due as i64);
        self.holds.with_label_values(&["active"]).set(census.active_holds as i64);
    }

    /// Counts a member of a consumer group that was silent for too long.
    pub fn consumer_lost(&self) {
        self.consumers_lost.inc();
    }

    /// Counts one call, such as `("payment.create", "ok")` or `("mail", "timeout")`.
    pub fn effect(&self, kind: &'static str, result: &'static str) {
        self.effects.with_label_values(&[kind, result]).inc();
    }
}
