//! Step 5: by scope. What belongs to whom is decided by the handlers, who alone know the object.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use shop::Code;

use super::policy::Access;
use super::problem::Problem;

use crate::auth::Principal;

/// Whether `principal` may call a route with this access.
///
/// # Errors
/// `unauthenticated` without credentials (401), `forbidden` without the scope (403; RFC 6750, section 3.1).
pub fn authorize(access: Access, principal: &Principal) -> Result<(), Problem> {
    let scope = match (access, principal) {
        (Access::Open, _) | (Access::GuestOr(_), Principal::Guest) => return Ok(()),
        (Access::Only(scope) | Access::Staff(scope), Principal::Guest) => {
            let detail = format!("this route needs credentials with the scope {scope}");
            return Err(unauthenticated(&detail, ""));
        }
        (Access::GuestOr(scope) | Access::Only(scope) | Access::Staff(scope), _) => scope,
    };
    if matches!(access, Access::Staff(_)) && !principal.is_staff() {
        return Err(Problem::new(Code::Forbidden, "this route is for the shop's own staff"));
    }
    if principal.has(scope) {
        return Ok(());
    }
    let challenge = format!("Bearer realm=\"shopnode\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let problem = Problem::new(Code::Forbidden, format!("these credentials lack the scope {scope}"));
    Err(match HeaderValue::from_str(&challenge) {
        Ok(value) => problem.header(WWW_AUTHENTICATE, value),
        Err(_) => problem,
    })
}

/// 401 with the challenge that it must carry (RFC 9110, section 11.6.1).
pub fn unauthenticated(detail: &str, error: &str) -> Problem {
    let challenge = if error.is_empty() {
        HeaderValue::from_static("Bearer realm=\"shopnode\"")
    } else {
        HeaderValue::from_static("Bearer realm=\"shopnode\", error=\"invalid_token\"")
    };
    Problem::new(Code::Unauthenticated, detail).header(WWW_AUTHENTICATE, challenge)
}
