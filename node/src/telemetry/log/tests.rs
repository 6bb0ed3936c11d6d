use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use serde_json::Value;
use tracing::{info, info_span, warn};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::{lines, our_spans};
use crate::config::{LogFormat, Telemetry};
use crate::telemetry::{Redacted, adopt, current_trace, export, parse_traceparent};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes, as text.
fn written(settings: &Telemetry, log: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let provider = export::provider(settings, "test", None).unwrap();
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = Registry::default()
        .with(lines(settings, move || writer.clone()).unwrap())
        .with(traces.with_filter(our_spans()));
    tracing::subscriber::with_default(subscriber, log);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn settings(log_format: LogFormat, log_filter: &str) -> Telemetry {
    Telemetry { log_format, log_filter: log_filter.to_owned(), ..Telemetry::default() }
}

fn json(log_filter: &str, log: impl FnOnce()) -> Vec<Value> {
    let text = written(&settings(LogFormat::Json, log_filter), log);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn request(then: impl FnOnce()) {
    let span = info_span!("request", request_id = "req_1", trace_id = tracing::field::Empty);
    adopt(&span, parse_traceparent(PARENT).as_ref());
    span.in_scope(then);
}

#[test]
fn what_nobody_asked_for_is_dropped_before_it_is_looked_at() {
    let check = |log_filter: &str, expect: LevelFilter| {
        let logs = lines(&settings(LogFormat::Json, log_filter), io::sink).unwrap();
        let subscriber = Registry::default().with(logs);
        assert_eq!(tracing::Subscriber::max_level_hint(&subscriber), Some(expect), "{log_filter}");
    };
    check("info", LevelFilter::INFO);
    check("warn", LevelFilter::INFO);
    check("info,raft=debug", LevelFilter::DEBUG);
}

#[test]
fn a_json_line_carries_request_and_trace() {
    let lines = json("info", || {
        request(|| info!(order = "ord_1", lines = 3, "order placed"));
    });
    let line = &lines[0];
    assert_eq!(line["message"], "order placed");
    assert_eq!(line["request_id"], "req_1");
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["order"], "ord_1");
    assert_eq!(line["lines"], 3);
    assert_eq!(line["level"], "INFO");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_stricter_filter_drops_lines_but_not_their_ids() {
    let lines = json("warn", || {
        request(|| {
            info!("dropped");
            warn!("kept");
        });
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "kept");
    assert_eq!(lines[0]["request_id"], "req_1");
}

#[test]
fn libraries_are_quiet_until_somebody_asks() {
    let log = || {
        info!(target: "openraft::core", "heartbeat");
        warn!(target: "openraft::core", "vote lost");
        info!("ours");
    };
    let messages = |filter| json(filter, log).iter().map(|line| line["message"].clone()).collect::<Vec<_>>();
    assert_eq!(messages("info"), ["vote lost", "ours"]);
    assert_eq!(messages("info,openraft=info"), ["heartbeat", "vote lost", "ours"]);
    assert_eq!(messages("off,openraft=error"), Vec::<Value>::new());
}

#[test]
fn a_readable_line_carries_them_too() {
    let text = written(&settings(LogFormat::Text, "info"), || request(|| info!("order placed")));
    for part in ["order placed", "req_1", "4bf92f3577b34da6a3ce929d0e0e4736"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_trace_goes_on_in_what_is_called() {
    let parent = parse_traceparent(PARENT).unwrap();
    written(&settings(LogFormat::Json, "off"), || {
        request(|| {
            let here = current_trace().unwrap();
            assert_eq!(here.trace_id, parent.trace_id);
            assert_eq!(here.flags, parent.flags);
            assert_ne!(here.span_id, parent.span_id);
        });
        let span = info_span!("request", trace_id = tracing::field::Empty);
        adopt(&span, None);
        let own = span.in_scope(current_trace).unwrap();
        assert_ne!(own.trace_id, parent.trace_id);
    });
}

#[test]
fn what_is_redacted_is_in_no_line() {
    let log = || {
        let email = Redacted::new("canary@example.com");
        info!(%email, other = ?email, "mail for {email} queued");
    };
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = written(&settings(format, "trace"), log);
        assert!(text.contains("queued"));
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn an_endless_text_is_cut() {
    let lines = json("info", || info!(text = "ä".repeat(100_000), "long"));
    assert!(lines[0]["text"].as_str().unwrap().len() < 9_000);
}
