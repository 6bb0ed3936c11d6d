//! How what a provider says merges into what is known. Reports come twice, late and out of order: a state is only ever
//! left for one that a provider can reach from it, so that any order of the same reports ends in the same state.

use crate::payment::step::is_too_old;
use crate::payment::{Answer, PaymentStatus, RefundState, RefundStatus, Sent, Source, State};
use crate::time::Timestamp;

/// The state after a report; `None` if it says nothing new.
pub(crate) fn merge(state: State, seen: PaymentStatus, doubted: bool) -> Option<State> {
    use PaymentStatus as P;
    use State as S;
    match (state, seen) {
        // Money has the last word.
        (S::Captured, _) => None,
        (_, P::Captured) => Some(S::Captured),
        (S::Canceled | S::Voided, _) => None,
        (S::Authorized | S::Capturing | S::Voiding, P::Canceled) => Some(S::Voided),
        (_, P::Canceled) => Some(S::Canceled),
        // A provider that had said no, or was thought to, says yes.
        (
            S::Created | S::Sending | S::Unknown | S::RequiresAction | S::Canceling | S::Declined,
            P::Authorized,
        ) => Some(S::Authorized),
        // The call did nothing: only a fresh look at the object can say so.
        (S::Capturing | S::Voiding, P::Authorized) if doubted => Some(S::Authorized),
        (S::Canceling, P::RequiresAction) if doubted => Some(S::RequiresAction),
        (S::Created | S::Sending | S::Unknown | S::RequiresAction | S::Canceling, P::Declined) => {
            Some(S::Declined)
        }
        (S::Created | S::Sending | S::Unknown, P::RequiresAction) => Some(S::RequiresAction),
        (S::Created | S::Unknown, P::Processing) => Some(S::Sending),
        (
            S::Sending
            | S::RequiresAction
            | S::Authorized
            | S::Capturing
            | S::Voiding
            | S::Canceling
            | S::Declined,
            P::Processing | P::RequiresAction | P::Declined | P::Authorized,
        ) => None,
    }
}

/// Whether a report may take an attempt back to where it was before its last call: the provider refused that call, or
/// it is not repeated any more, and this was looked up since.
pub(crate) fn doubted(sent: Option<&Sent>, source: Source, now: Timestamp) -> bool {
    let over = |sent: &Sent| sent.answer == Answer::Refused || is_too_old(sent, now);
    source == Source::Poll && sent.is_some_and(over)
}

/// The refund's state after a report; `None` if it says nothing new.
pub(crate) fn merge_refund(state: RefundState, seen: RefundStatus) -> Option<RefundState> {
    use RefundState as R;
    match (state, seen) {
        (R::Succeeded, RefundStatus::Failed) => Some(R::Failed),
        (R::Succeeded | R::Failed, _) => None,
        (_, RefundStatus::Succeeded) => Some(R::Succeeded),
        (_, RefundStatus::Failed) => Some(R::Failed),
        (R::Pending, RefundStatus::Pending) => None,
        (R::Created | R::Sending | R::Unknown, RefundStatus::Pending) => Some(R::Pending),
    }
}
