//! W3C Trace Context, level 1: `traceparent` in from callers and from commands, out to every third party.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use shop::command::Trace;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Reads a `traceparent`. What cannot be read is as good as absent: the standard says to begin a new trace.
pub fn parse_traceparent(text: &str) -> Option<Trace> {
    let mut parts = text.trim().split('-');
    let version = hex::<1>(parts.next()?)?[0];
    let trace_id = hex::<16>(parts.next()?)?;
    let span_id = hex::<8>(parts.next()?)?;
    let flags = hex::<1>(parts.next()?)?[0];
    // Version 0 has exactly four parts; a later one may have more behind them; 255 is forbidden.
    let shape = match version {
        0 => parts.next().is_none(),
        255 => false,
        _ => true,
    };
    let valid = shape && trace_id != [0; 16] && span_id != [0; 8];
    valid.then_some(Trace { trace_id, span_id, flags })
}

/// The `traceparent` of a call that `trace` makes.
pub fn format_traceparent(trace: &Trace) -> String {
    let trace_id = u128::from_be_bytes(trace.trace_id);
    let span_id = u64::from_be_bytes(trace.span_id);
    format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", trace.flags)
}

/// Makes `span` continue `parent` (or begin a trace of its own) and notes its trace id for the log.
///
/// To be called before the span is entered, on a span with an empty field `trace_id`.
pub fn adopt(span: &Span, parent: Option<&Trace>) {
    if let Some(parent) = parent {
        let context = SpanContext::new(
            TraceId::from_bytes(parent.trace_id),
            SpanId::from_bytes(parent.span_id),
            TraceFlags::new(parent.flags),
            true,
            TraceState::default(),
        );
        // Fails only when traces are not collected at all; then there is nothing to continue.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(context));
    }
    if let Some(trace) = trace_of(span) {
        span.record("trace_id", format!("{:032x}", u128::from_be_bytes(trace.trace_id)));
    }
}

/// The trace that the current span belongs to, for commands and for calls of third parties.
pub fn current_trace() -> Option<Trace> {
    trace_of(&Span::current())
}

fn trace_of(span: &Span) -> Option<Trace> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| Trace {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        flags: context.trace_flags().to_u8(),
    })
}

/// Exactly `N` bytes in lower-case hexadecimal, as the standard demands.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{format_traceparent, parse_traceparent};

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_was_read_is_written_again() {
        let trace = parse_traceparent(EXAMPLE).unwrap();
        assert_eq!(trace.flags, 1);
        assert_eq!(trace.trace_id[0], 0x4b);
        assert_eq!(trace.span_id[7], 0xb7);
        assert_eq!(format_traceparent(&trace), EXAMPLE);
        // A later version may append parts.
        let later = format!("01{}-what-comes", &EXAMPLE[2..]);
        assert_eq!(parse_traceparent(&later), Some(trace));
    }

    #[test]
    fn what_is_none_begins_a_new_trace() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-zbf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-äbf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse_traceparent(text), None, "{text}");
        }
    }
}
