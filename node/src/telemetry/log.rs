//! Installs logs and traces for the process.

use std::io::{IsTerminal, stderr};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, filter::ParseError};

use super::{export, json::JsonLines};
use crate::config::{LogFormat, Telemetry};

/// Our own crates, whose spans carry request and trace ids. Libraries' spans would only cost.
const OURS: [&str; 5] = ["shopnode", "shop", "raft", "net", "storage"];

/// Libraries that tell at `info` what only their authors want to know. Whoever does names them in the filter.
const QUIET: &str = "openraft=warn,chunked_wal=warn,raft_log=warn,sled=warn,quinn=warn,h2=warn,hyper=warn,reqwest=warn,opentelemetry=warn";

/// Why logs and traces could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("telemetry.log_filter cannot be used: {0}")]
    Filter(#[from] ParseError),
    #[error("telemetry.otlp_endpoint cannot be used: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("logs are installed already: {0}")]
    Twice(#[from] TryInitError),
}

/// Keeps traces flowing; [`Guard::flush`] sends what waits.
#[derive(Debug)]
pub struct Guard {
    provider: SdkTracerProvider,
}

impl Guard {
    /// Sends the spans that wait, for at most the exporter's time limit. To be called off the async threads, and
    /// while the runtime that carries the exporter still runs.
    pub fn flush(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "some traces were not exported");
        }
    }
}

/// Installs logs on standard error and, with a `runtime` to carry them, traces to the collector.
///
/// # Errors
/// When the filter or the endpoint cannot be used, or when this was called before in this process.
pub fn install(settings: &Telemetry, node_name: &str, runtime: Option<&Handle>) -> Result<Guard, LogError> {
    let provider = export::provider(settings, node_name, runtime)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("shopnode"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(our_spans());
    let logs = lines(settings, stderr)?;
    Registry::default().with(logs).with(traces).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(Guard { provider })
}

/// A panic is a fault of this program: somebody must act, so it is a line of the log like all others.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("of another type than text");
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panic: {message}");
}

/// The layer that writes log lines in the configured form.
fn lines<W>(settings: &Telemetry, writer: W) -> Result<Box<dyn Layer<Registry> + Send + Sync>, ParseError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Our spans pass whatever the level, or a filter of `warn` would drop the ids from the warnings.
    let filter = EnvFilter::builder().parse(format!("{QUIET},{}", settings.log_filter))?.or(our_spans());
    let terminal = stderr().is_terminal();
    let readable = match settings.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    Ok(if readable {
        fmt::layer().with_writer(writer).with_ansi(terminal).with_filter(filter).boxed()
    } else {
        JsonLines { writer }.with_filter(filter).boxed()
    })
}

/// Says its level, too: without it every record of libraries that use the crate `log`, the engine's many traces among
/// them, is looked at before it is dropped.
fn our_spans() -> FilterFn {
    filter_fn(is_our_span as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

fn is_our_span(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span() && *metadata.level() <= tracing::Level::INFO && OURS.contains(&root)
}

#[cfg(test)]
mod tests;
