//! `shopctl token`: with what machines join the cluster.

mod view;

use std::time::Duration;

use shop::cluster::http::{JoinTokenCreated, JoinTokenInput, JoinTokensQuery};
use shop::ids::JoinTokenId;

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const TOKENS: [&str; 4] = ["admin", "v1", "cluster", "tokens"];

/// Make, list and revoke the tokens with which machines join the cluster
#[derive(Debug, clap::Subcommand)]
pub enum Token {
    /// Make a token; it is printed once and lets one machine join
    Create {
        /// How long it can be used, 1m to 24h; an hour unless given
        #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
        expires_in: Option<Duration>,
    },
    /// List tokens with what became of them
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Revoke a token that was not used
    Revoke { id: JoinTokenId },
}

impl Token {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Create { expires_in } => {
                let expires_in_seconds = expires_in.map(|lifetime| lifetime.as_secs());
                let body = Payload::json(&JoinTokenInput { expires_in_seconds })?;
                let answer = context.client.post(&TOKENS, &(), body).await?;
                context.changed(&answer, |made: &JoinTokenCreated| {
                    (format!("made token {}", made.id), view::created(made))
                })
            }
            Self::List { paging } => {
                let query = |limit, cursor| JoinTokensQuery { limit, cursor };
                paging::list(context, &TOKENS, paging, query, view::list).await
            }
            Self::Revoke { id } => {
                let [admin, version, cluster, tokens] = TOKENS;
                let answer =
                    context.client.delete(&[admin, version, cluster, tokens, &id.to_string()]).await?;
                context.ended(&answer, &format!("revoked token {id}"))
            }
        }
    }
}

/// `90s`, `30m`, `12h`.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time like 90s, 30m or 12h".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_lifetime;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_lifetime("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_lifetime("12h"), Ok(Duration::from_secs(43_200)));
        for wrong in ["", "m", "90", "1d", "-1m", "1.5h", "99999999999999999999h"] {
            assert!(parse_lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
