use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::event::hex;
use crate::cluster::{Authorities, Event, trusted_authorities};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// From now on nothing that this authority signed is trusted. The last trusted one stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireAuthority {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: [u8; 32],
}

impl Execute for RetireAuthority {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut authority) = ctx.tx.get::<Authorities>(&self.fingerprint)? else {
            let detail = format!("there is no authority {}", hex(&self.fingerprint));
            return Err(Rejection::new(Code::NotFound, detail).into());
        };
        if authority.retired_at.is_some() {
            return Ok(crate::Outcome::Done);
        }
        if trusted_authorities(&*ctx.tx)?.len() < 2 {
            let detail = "it is the only one that is trusted: add another one first";
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        authority.retired_at = Some(ctx.now);
        ctx.tx.put::<Authorities>(&self.fingerprint, &authority)?;
        ctx.emit(crate::Event::Cluster(Event::AuthorityRetired { fingerprint: self.fingerprint }));
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::RetireAuthority;
    use crate::testing::Bench;

    #[test]
    fn an_unknown_authority_is_told() {
        let rejection = Bench::new().refused(RetireAuthority { fingerprint: [1; 32] });
        assert_eq!(rejection.code.as_str(), "not_found");
    }
}
