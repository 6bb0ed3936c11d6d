//! When a node's certificate is signed anew, and when it can be no more.

use net::{Identity, Validity, validity_of};
use shop::Timestamp;

/// How long an authority is known before nodes show certificates that it signed, in milliseconds: whoever has not applied its record
/// yet would not let them in, and might never hear of it.
const KNOWN_FOR_MS: u64 = 10_000;

/// A node's certificate, beside the authority that signs now.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub validity: Validity,
    /// Whether that authority issued it.
    pub is_of_signer: bool,
    /// Whether this node trusts that authority already.
    pub is_signer_trusted: bool,
    /// When that authority was added.
    pub signer_added_ms: u64,
}

impl Standing {
    /// Whether it is to be signed anew: half of its time is over, or another authority signs now.
    pub fn is_due(&self, now_ms: u64) -> bool {
        let is_signer_known = now_ms >= self.signer_added_ms.saturating_add(KNOWN_FOR_MS);
        let is_old = now_ms >= self.validity.half_life_ms();
        self.is_signer_trusted && is_signer_known && (is_old || !self.is_of_signer)
    }
}

/// A certificate that nobody accepts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub at: Timestamp,
}

/// Whether a node's certificate has expired.
///
/// # Errors
/// When it is no certificate.
pub fn expired(identity: &Identity, now_ms: u64) -> Result<Option<Expired>, net::IdentityError> {
    let until_ms = validity_of(identity.certificate())?.until_ms;
    Ok((until_ms <= now_ms).then_some(Expired { at: Timestamp::from_millis(until_ms) }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{Authority, ClusterId, Validity};
    use shop::Timestamp;

    use super::{KNOWN_FOR_MS, Standing, expired};

    const FROM_MS: u64 = 1_800_000_000_000;
    const HALF_MS: u64 = FROM_MS + 1_000_000;

    fn standing() -> Standing {
        let validity = Validity { from_ms: FROM_MS, until_ms: FROM_MS + 2_000_000 };
        Standing { validity, is_of_signer: true, is_signer_trusted: true, signer_added_ms: 0 }
    }

    fn check(standing: Standing, now_ms: u64, expect: bool) {
        assert_eq!(standing.is_due(now_ms), expect, "{standing:?} at {now_ms}");
    }

    #[test]
    fn half_of_its_time_is_enough() {
        check(standing(), FROM_MS, false);
        check(standing(), HALF_MS - 1, false);
        check(standing(), HALF_MS, true);
        check(standing(), FROM_MS + 3_000_000, true);
    }

    #[test]
    fn another_authority_is_taken_at_once_but_not_before_the_others_know_it() {
        let other = Standing { is_of_signer: false, signer_added_ms: FROM_MS, ..standing() };
        check(other, FROM_MS + KNOWN_FOR_MS - 1, false);
        check(other, FROM_MS + KNOWN_FOR_MS, true);
        check(Standing { is_signer_trusted: false, ..other }, FROM_MS + KNOWN_FOR_MS, false);
        check(Standing { is_signer_trusted: false, ..standing() }, HALF_MS, false);
    }

    #[test]
    fn it_has_expired_when_its_time_is_over() {
        let life = Duration::from_secs(3_600);
        let validity = Validity::starting(FROM_MS, life);
        let authority = Authority::generate(ClusterId([1; 16]), validity).unwrap();
        let identity = authority.issue(7, validity).unwrap();
        let until_ms = FROM_MS + 3_600_000;
        assert_eq!(expired(&identity, until_ms - 1).unwrap(), None);
        let told = expired(&identity, until_ms).unwrap().unwrap();
        assert_eq!(told.at, Timestamp::from_millis(until_ms));
    }
}
