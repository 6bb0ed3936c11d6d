//! `[telemetry]`: what the node tells about itself.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::problems::Problems;
use super::server::check_url;
use super::unset;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    pub log_format: LogFormat,
    /// Directives of tracing-subscriber's `EnvFilter`: a level, or `target=level` separated by commas.
    pub log_filter: String,
    /// Base URL of an OTLP collector over HTTP (`/v1/traces` is added). Traces are not exported while it is unset.
    #[serde(with = "unset")]
    pub otlp_endpoint: Option<Url>,
    /// The share of traces begun here that are exported. A caller's decision in `traceparent` is followed.
    pub sample_ratio: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Json,
    Text,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry {
            log_format: LogFormat::default(),
            log_filter: "info".to_owned(),
            otlp_endpoint: None,
            sample_ratio: 1.0,
        }
    }
}

impl Telemetry {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("telemetry.sample_ratio", self.sample_ratio, 0.0..=1.0);
        check_url("telemetry.otlp_endpoint", self.otlp_endpoint.as_ref(), problems);
        if let Err(error) = EnvFilter::builder().parse(&self.log_filter) {
            problems.value("telemetry.log_filter", format_args!("cannot be used: {error}"));
        }
    }
}
