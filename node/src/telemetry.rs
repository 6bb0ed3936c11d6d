//! What the node tells about itself: logs on standard error, traces to a collector, metrics on request.
//!
//! Standard output is for data, so nothing here writes to it. Secrets and personal data never come this far: they
//! travel in [`Redacted`], which has no text form.

mod export;
mod json;
mod log;
pub mod metrics;
mod observer;
mod redacted;
mod traceparent;

pub use log::{Guard, LogError, install};
pub use metrics::Metrics;
pub use redacted::Redacted;
pub use traceparent::{adopt, current_trace, format_traceparent, parse_traceparent};
