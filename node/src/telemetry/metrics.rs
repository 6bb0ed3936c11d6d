//! Every metric of the node, typed, in one registry, in the Prometheus text format.
//!
//! Names follow Prometheus' rules: prefix `shopnode_`, base units (seconds, bytes), `_total` on counters. Labels have
//! few values each: routes are templates, never paths; nothing about a person or an order is ever a label.

mod balance;
mod clock;
mod commands;
mod http;
mod net;
mod raft;
mod shop;
mod storage;

use std::sync::Arc;

use ::prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector, process_collector::ProcessCollector,
};

pub use balance::{BalanceMetrics, Spilled};
pub use clock::ClockMetrics;
pub use commands::{CommandMetrics, CommandOutcome};
pub use http::HttpMetrics;
pub use net::NetMetrics;
pub use raft::{RaftMetrics, RaftSample};
pub use shop::ShopMetrics;
pub use storage::{CompactionEnd, StorageMetrics};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Cheap to clone; all clones count into the same registry.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
pub struct Families {
    registry: Registry,
    pub http: HttpMetrics,
    pub balance: BalanceMetrics,
    pub commands: CommandMetrics,
    pub raft: RaftMetrics,
    pub net: NetMetrics,
    pub clock: ClockMetrics,
    pub shop: ShopMetrics,
    pub storage: StorageMetrics,
}

impl std::ops::Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

impl Metrics {
    /// All families, at zero.
    ///
    /// # Errors
    /// When two families have one name: a fault of this program, which a test excludes.
    pub fn new() -> Result<Metrics, Error> {
        let register = Register(Registry::new());
        let build =
            register.gauges("build_info", "Constant 1, with version and compiler.", &["version", "rust"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION")]).set(1);
        register.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Metrics(Arc::new(Families {
            http: HttpMetrics::new(&register)?,
            balance: BalanceMetrics::new(&register)?,
            commands: CommandMetrics::new(&register)?,
            raft: RaftMetrics::new(&register)?,
            net: NetMetrics::new(&register)?,
            clock: ClockMetrics::new(&register)?,
            shop: ShopMetrics::new(&register)?,
            storage: StorageMetrics::new(&register)?,
            registry: register.0,
        })))
    }

    /// The text format, version 0.0.4.
    ///
    /// # Errors
    /// When a family has no metric: a fault of this program, which a test excludes.
    pub fn render(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// From half a millisecond to ten seconds: what requests and commands take.
const REQUEST_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From ten microseconds to one second: what applying and fsync take.
const DISK_SECONDS: [f64; 14] =
    [0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// Registers families under the common prefix.
struct Register(Registry);

impl Register {
    const PREFIX: &str = "shopnode";

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.keep(IntCounter::with_opts(Opts::new(name, help).namespace(Self::PREFIX))?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.keep(IntCounterVec::new(Opts::new(name, help).namespace(Self::PREFIX), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.keep(IntGauge::with_opts(Opts::new(name, help).namespace(Self::PREFIX))?)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.keep(Gauge::with_opts(Opts::new(name, help).namespace(Self::PREFIX))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.keep(IntGaugeVec::new(Opts::new(name, help).namespace(Self::PREFIX), labels)?)
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.keep(GaugeVec::new(Opts::new(name, help).namespace(Self::PREFIX), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let options = HistogramOpts::new(name, help).namespace(Self::PREFIX).buckets(buckets.to_vec());
        self.keep(Histogram::with_opts(options)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).namespace(Self::PREFIX).buckets(buckets.to_vec());
        self.keep(HistogramVec::new(options, labels)?)
    }

    fn keep<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

#[cfg(test)]
mod tests;
