//! Between the providers' words and the domain's.

use shop::Money;
use shop::payment::{NextAction, PaymentReport, PaymentStatus, RefundReport, RefundStatus, Report, Source};
use shop::private::Private;

use crate::effects::provider;

/// The most bytes of a provider's id that the domain keeps.
const MAX_OBJECT_BYTES: usize = 255;

/// All that one message about a payment proves: the payment, then the refunds that it showed.
pub fn reports(observed: &provider::Observed) -> Vec<(Source, Report)> {
    let mut reports = Vec::with_capacity(1 + observed.refunds.len());
    let (status, next_action, failure) = status(&observed.status);
    if observed.provider_id.len() <= MAX_OBJECT_BYTES {
        let report = PaymentReport {
            payment: observed.attempt_id.as_deref().and_then(|id| id.parse().ok()),
            object: observed.provider_id.clone(),
            status,
            amount: observed.amount,
            authorized: observed.authorized_minor,
            captured: observed.captured_minor,
            next_action,
            failure,
        };
        reports.push((source(&observed.source), Report::Payment(report)));
    }
    reports.extend(observed.refunds.iter().filter_map(refund));
    reports
}

/// What a message about a refund proves; `None` if its id is no id.
pub fn refund(observed: &provider::ObservedRefund) -> Option<(Source, Report)> {
    let (status, failure) = match &observed.status {
        provider::RefundStatus::Pending => (RefundStatus::Pending, None),
        provider::RefundStatus::Succeeded => (RefundStatus::Succeeded, None),
        provider::RefundStatus::Failed { code } => (RefundStatus::Failed, Some(code.clone())),
    };
    let report = RefundReport {
        refund: observed.refund_id.as_deref().and_then(|id| id.parse().ok()),
        object: observed.provider_refund_id.clone(),
        status,
        amount: Money::new(observed.amount.amount, observed.amount.currency),
        failure,
    };
    (report.object.len() <= MAX_OBJECT_BYTES).then_some((source(&observed.source), Report::Refund(report)))
}

fn source(source: &provider::Source) -> Source {
    match source {
        provider::Source::Answer => Source::Answer,
        provider::Source::Poll => Source::Poll,
        provider::Source::Webhook { .. } => Source::Webhook,
    }
}

fn status(status: &provider::PaymentStatus) -> (PaymentStatus, Option<NextAction>, Option<String>) {
    use provider::PaymentStatus as Theirs;
    match status {
        // We create and confirm in one call: a payment that waits for its confirmation is one under way.
        Theirs::RequiresConfirmation | Theirs::Processing => (PaymentStatus::Processing, None, None),
        Theirs::RequiresAction { next_action } => {
            let action = match next_action {
                provider::NextAction::Redirect { url } => NextAction::Redirect { url: Private(url.clone()) },
                provider::NextAction::ProviderLibrary => NextAction::ProviderLibrary,
            };
            (PaymentStatus::RequiresAction, Some(action), None)
        }
        Theirs::Authorized => (PaymentStatus::Authorized, None, None),
        Theirs::Captured => (PaymentStatus::Captured, None, None),
        Theirs::Canceled => (PaymentStatus::Canceled, None, None),
        Theirs::Declined { code } => (PaymentStatus::Declined, None, Some(code.clone())),
    }
}
