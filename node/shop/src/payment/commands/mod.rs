//! The commands of payments: those of shoppers and staff, then those of workers and webhooks.

mod of_call;
mod quarantine;

crate::commands! { "payment":
    "open_attempt" => open_attempt::OpenAttempt,
    "request_capture" => request_capture::RequestCapture,
    "request_void" => request_void::RequestVoid,
    "request_refund" => request_refund::RequestRefund,
    "mark_paid" => mark_paid::MarkPaid,
    "resolve_unmatched" => resolve_unmatched::ResolveUnmatched,
    "mark_sending" => mark_sending::MarkSending,
    "observe" => observe::Observe,
    "report_no_answer" => report_no_answer::ReportNoAnswer,
    "report_refused" => report_refused::ReportRefused,
    "report_absent" => report_absent::ReportAbsent,
    "index_states" => index_states::IndexStates since 4,
}
