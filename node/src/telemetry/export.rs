//! Traces, and their way to an OTLP collector when one is configured.
//!
//! Without a collector the tracer still gives every request a trace id: logs and commands carry it, and so does what
//! goes out to third parties.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter as Export,
};
use tokio::runtime::Handle;

use crate::config::Telemetry;

/// What a collector may take to answer; a slower one costs spans, never requests.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Spans that wait for the collector. More are dropped, oldest kept.
const QUEUE_SPANS: usize = 4096;
const BATCH_SPANS: usize = 512;

/// The tracer of this process. `runtime` carries the exporter's HTTP calls.
pub(super) fn provider(
    settings: &Telemetry,
    node_name: &str,
    runtime: Option<&Handle>,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", "shopnode"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", node_name.to_owned()))
        .build();
    let mut builder = SdkTracerProvider::builder().with_resource(resource);
    match (&settings.otlp_endpoint, runtime) {
        (Some(endpoint), Some(runtime)) => {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_http_client(http_client()?)
                .with_timeout(EXPORT_TIMEOUT)
                .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
                .build()?;
            let exporter = OnRuntime { exporter: exporter.into(), runtime: runtime.clone() };
            let batches = BatchConfigBuilder::default()
                .with_max_queue_size(QUEUE_SPANS)
                .with_max_export_batch_size(BATCH_SPANS)
                .build();
            let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
            let sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
            builder = builder.with_span_processor(processor).with_sampler(following_the_caller(sampler));
        }
        _ => builder = builder.with_sampler(following_the_caller(Sampler::AlwaysOff)),
    }
    Ok(builder.build())
}

/// Its own client: reusing another's pool would let a stuck collector hold connections that payments need.
fn http_client() -> Result<reqwest::Client, ExporterBuildError> {
    let client = reqwest::Client::builder().timeout(EXPORT_TIMEOUT).connect_timeout(EXPORT_TIMEOUT).build();
    client.map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))
}

fn following_the_caller(own: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(own))
}

/// Runs the exporter's calls on the async runtime: the batch processor has a plain thread of its own, and the HTTP
/// client needs a reactor.
#[derive(Debug)]
struct OnRuntime {
    exporter: std::sync::Arc<SpanExporter>,
    runtime: Handle,
}

impl Export for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.exporter.clone();
        let call = self.runtime.spawn(async move { exporter.export(batch).await });
        call.await.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = std::sync::Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use http::HeaderMap;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use tokio::runtime::Handle;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::provider;
    use crate::config::Telemetry;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_reach_the_collector() {
        let (arrived, mut arrivals) = mpsc::channel(4);
        let collector = Router::new().route(
            "/v1/traces",
            post(move |headers: HeaderMap, body: Bytes| async move {
                let _ = arrived.send((headers, body)).await;
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, collector).await });

        let settings = Telemetry { otlp_endpoint: endpoint.parse().ok(), ..Telemetry::default() };
        let provider = provider(&settings, "node-7", Some(&Handle::current())).unwrap();
        drop(provider.tracer("test").start("order placed"));
        let shut = tokio::task::spawn_blocking(move || provider.shutdown());
        timeout(Duration::from_secs(20), shut).await.unwrap().unwrap().unwrap();

        let (headers, body) = arrivals.try_recv().unwrap();
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let text = String::from_utf8_lossy(&body);
        for part in ["order placed", "service.name", "shopnode", "node-7"] {
            assert!(text.contains(part), "{part} is not in what was sent");
        }
    }
}
