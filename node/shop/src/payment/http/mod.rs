//! Payments and refunds in the HTTP API.

mod input;
mod view;

pub use input::{CaptureInput, PaymentInput, Providers, RefundInput};
pub use view::{AttemptView, NextActionView, RefundView, UnmatchedView};
