//! When a request is repeated, and when its outcome counts as known.

use std::time::Duration;

use shop::Code;

use crate::problem::Refusal;

/// The first pause before a repetition; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The pause before repetition `attempt` (from 0): half of it fixed, half of it random, so that many clients that
/// failed together do not return together. `random` is between 0 and 1.
pub fn pause(attempt: u32, random: f64, retry_after: Option<u64>) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    let jittered = whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0));
    jittered.max(Duration::from_secs(retry_after.unwrap_or(0)))
}

/// What an error answer to a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not carried out, and repeating it now would not help: tell the person.
    Final,
    /// It was not carried out because there are too many: repeat it later.
    Later,
    /// It may have been carried out: repeat it with the same key.
    InDoubt,
    /// An earlier attempt may have been carried out, and this answer cannot tell: stop, and say so.
    StillUnknown,
}

/// Judges an error answer to a change. `in_doubt`: an earlier attempt with this key may have been carried out.
pub fn judge(refusal: &Refusal, in_doubt: bool) -> Verdict {
    match (refusal.code(), refusal.status) {
        // The same key is at work: this client's lost attempt, or another client's.
        (Some(Code::OutcomeUnknown | Code::GatewayTimeout | Code::IdempotencyInProgress), _) => {
            Verdict::InDoubt
        }
        // These say that nothing was accepted of this attempt; they say nothing of an earlier one.
        (
            Some(
                Code::NotReady
                | Code::NoQuorum
                | Code::Overloaded
                | Code::IndexNotReached
                | Code::RequestTimeout,
            ),
            _,
        ) => {
            if in_doubt {
                Verdict::InDoubt
            } else {
                Verdict::Final
            }
        }
        (_, 429) => {
            if in_doubt {
                Verdict::InDoubt
            } else {
                Verdict::Later
            }
        }
        // Credentials are checked before the key is looked up.
        (_, 401 | 403) if in_doubt => Verdict::StillUnknown,
        // A server or proxy that broke down on the way.
        (_, 500..) => Verdict::InDoubt,
        _ => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, code: &str, first: Verdict, in_doubt: Verdict) {
        let body = format!(r#"{{"type":"x","title":"t","status":{status},"code":"{code}","detail":"d"}}"#);
        let refusal = Refusal::read("POST /".into(), status, body, None, None);
        assert_eq!((judge(&refusal, false), judge(&refusal, true)), (first, in_doubt), "{status} {code}");
    }

    #[test]
    fn only_what_cannot_have_been_carried_out_is_final() {
        use Verdict::{Final, InDoubt, Later, StillUnknown};
        check(409, "out_of_stock", Final, Final);
        check(404, "not_found", Final, Final);
        check(403, "forbidden", Final, StillUnknown);
        check(401, "unauthenticated", Final, StillUnknown);
        check(429, "rate_limited", Later, InDoubt);
        check(503, "outcome_unknown", InDoubt, InDoubt);
        check(504, "gateway_timeout", InDoubt, InDoubt);
        check(409, "idempotency_in_progress", InDoubt, InDoubt);
        check(503, "no_quorum", Final, InDoubt);
        check(503, "not_ready", Final, InDoubt);
        check(408, "request_timeout", Final, InDoubt);
        check(500, "internal", InDoubt, InDoubt);
        check(502, "", InDoubt, InDoubt);
    }

    #[test]
    fn pauses_grow_stay_bounded_and_respect_the_server() {
        assert_eq!(pause(0, 0.0, None), FIRST_PAUSE / 2);
        assert_eq!(pause(0, 1.0, None), FIRST_PAUSE);
        assert!(pause(3, 0.5, None) > pause(2, 0.5, None));
        assert_eq!(pause(u32::MAX, 1.0, None), LONGEST_PAUSE);
        assert_eq!(pause(0, 0.5, Some(7)), Duration::from_secs(7));
    }
}
