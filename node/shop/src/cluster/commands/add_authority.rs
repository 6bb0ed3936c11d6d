use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::event::hex;
use crate::cluster::{
    Authorities, Authority, Event, MAX_CERTIFICATE_BYTES, MAX_SEALED_BYTES, authorities,
};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// The most authorities that are trusted at one time.
const MAX_TRUSTED: usize = 2;
/// The most authorities, retired ones included: the oldest retired ones go first.
const MAX_AUTHORITIES: usize = 16;

/// Trusts one more certificate authority, which signs from now on. Whoever proposes it has checked that the bytes are
/// a certificate with that fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAuthority {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: [u8; 32],
    /// X.509, DER.
    pub certificate_der: Vec<u8>,
    /// Its private key, sealed by the nodes' seal key.
    pub sealed_key: Vec<u8>,
}

impl Execute for AddAuthority {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if self.certificate_der.is_empty()
            || self.certificate_der.len() > MAX_CERTIFICATE_BYTES
            || self.sealed_key.len() > MAX_SEALED_BYTES
        {
            return Err(Rejection::new(Code::InvalidValue, "the authority is empty or too large").into());
        }
        if ctx.tx.get::<Authorities>(&self.fingerprint)?.is_some() {
            let detail = format!("there is an authority {}", hex(&self.fingerprint));
            return Err(Rejection::new(Code::AlreadyExists, detail).into());
        }
        let known = authorities(&*ctx.tx)?;
        let trusted = known.iter().filter(|(_, authority)| authority.retired_at.is_none()).count();
        if trusted >= MAX_TRUSTED {
            let detail = "two authorities are trusted: retire one first";
            return Err(Rejection::new(Code::LimitReached, detail).into());
        }
        if known.len() >= MAX_AUTHORITIES
            && let Some((oldest, _)) = known.iter().find(|(_, authority)| authority.retired_at.is_some())
        {
            ctx.tx.delete::<Authorities>(oldest)?;
        }
        let authority = Authority {
            certificate_der: self.certificate_der.clone(),
            sealed_key: self.sealed_key.clone(),
            added_at: ctx.now,
            retired_at: None,
        };
        ctx.tx.insert::<Authorities>(&self.fingerprint, &authority)?;
        ctx.emit(crate::Event::Cluster(Event::AuthorityAdded { fingerprint: self.fingerprint }));
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddAuthority, MAX_AUTHORITIES};
    use crate::cluster::{RetireAuthority, authorities, trusted_authorities};
    use crate::testing::Bench;

    fn add(byte: u8) -> AddAuthority {
        AddAuthority { fingerprint: [byte; 32], certificate_der: vec![byte; 9], sealed_key: vec![byte; 60] }
    }

    #[test]
    fn one_takes_the_place_of_another() {
        let mut bench = Bench::new();
        bench.ok(add(2));
        assert_eq!(bench.refused(add(2)).code.as_str(), "already_exists");
        let only = RetireAuthority { fingerprint: [2; 32] };
        assert_eq!(bench.refused(only.clone()).code.as_str(), "conflict");
        bench.ok(add(1));
        assert_eq!(bench.refused(add(3)).code.as_str(), "limit_reached");
        let trusted = |bench: &Bench| {
            let all = trusted_authorities(&bench.view()).unwrap();
            all.iter().map(|(fingerprint, _)| fingerprint[0]).collect::<Vec<_>>()
        };
        assert_eq!(trusted(&bench), [2, 1], "the newest is last");
        for _ in 0..2 {
            bench.ok(only.clone());
        }
        assert_eq!(trusted(&bench), [1]);
    }

    #[test]
    fn retired_ones_are_forgotten() {
        let mut bench = Bench::new();
        bench.ok(add(0));
        for byte in 1..40 {
            bench.ok(add(byte));
            bench.ok(RetireAuthority { fingerprint: [byte - 1; 32] });
        }
        assert_eq!(authorities(&bench.view()).unwrap().len(), MAX_AUTHORITIES);
    }

    #[test]
    fn sizes_are_bounded() {
        for command in [
            AddAuthority { certificate_der: Vec::new(), ..add(1) },
            AddAuthority { certificate_der: vec![0; 4_097], ..add(1) },
            AddAuthority { sealed_key: vec![0; 1_025], ..add(1) },
        ] {
            assert_eq!(Bench::new().refused(command).code.as_str(), "invalid_value");
        }
    }
}
