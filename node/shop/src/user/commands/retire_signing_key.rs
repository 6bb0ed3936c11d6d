use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};
use crate::user::SigningKeys;

/// From now on this key signs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireSigningKey {
    pub key_id: String,
}

impl Execute for RetireSigningKey {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut key) = ctx.tx.get::<SigningKeys>(&self.key_id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no signing key {}", self.key_id)).into());
        };
        if key.retired_at.is_none() {
            key.retired_at = Some(ctx.now);
            ctx.tx.put::<SigningKeys>(&self.key_id, &key)?;
        }
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::RetireSigningKey;
    use crate::testing::Bench;

    #[test]
    fn an_unknown_key_is_told() {
        let rejection = Bench::new().refused(RetireSigningKey { key_id: "a".into() });
        assert_eq!(rejection.code.as_str(), "not_found");
    }
}
