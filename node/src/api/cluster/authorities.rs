//! The authorities that vouch for nodes, and how one takes another's place: a new one is made while every node can hear of it, nodes
//! renew under it by themselves, and when none has a certificate of the old one any more, that is retired.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::response::Response;
use http::StatusCode;
use shop::Code;
use shop::cluster::http::{AuthoritiesView, AuthorityState, AuthorityView, RetireAuthorityInput};
use shop::cluster::{self, Authority, RetireAuthority};
use shop::user::Scope;
use utoipa_axum::routes;

use crate::gateway::{Call, Empty, MaybeJson, PathId, Policy, Problem, Routes, json};

pub fn routes(routes: Routes) -> Routes {
    routes
        .add(routes!(list), Policy::only(Scope::ClusterRead))
        .add(routes!(rotate), Policy::staff(Scope::ClusterWrite))
        .add(routes!(retire), Policy::staff(Scope::ClusterWrite))
}

/// The SHA-256 of an authority's key, as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Fingerprint, ()> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| ())?;
        }
        Ok(Fingerprint(bytes))
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

type Signers = BTreeMap<u64, Option<[u8; 32]>>;

/// Lists the cluster's authorities, retired ones included, with the nodes that have a certificate of each: every node is asked, for
/// half a second at most.
#[utoipa::path(
    get, path = "/admin/v1/cluster/authorities", tag = "cluster", operation_id = "list_authorities",
    responses((status = 200, description = "Authorities, oldest first", body = AuthoritiesView))
)]
async fn list(call: Call) -> Result<Response, Problem> {
    let signers = call.app.core.signers().await;
    let known = call.read(|view| Ok(cluster::authorities(view)?)).await?;
    let view = AuthoritiesView {
        data: views(known.value, &signers),
        silent: signers.iter().filter(|(_, signer)| signer.is_none()).map(|(node, _)| *node).collect(),
    };
    json(StatusCode::OK, &view, Some(known.index))
}

/// Makes a new authority, which signs from now on. The one before it stays trusted until it is retired; nodes get new certificates by
/// themselves within half a minute. Join tokens that were made before pin the old one and are refused: make new ones. Refused while a
/// node does not answer: it would not hear of the new authority, and trust nobody who has its certificate.
#[utoipa::path(
    post, path = "/admin/v1/cluster/authorities", tag = "cluster", operation_id = "rotate_authority",
    request_body = Option<Empty>,
    responses((status = 201, description = "The authority that signs now", body = AuthorityView))
)]
async fn rotate(call: Call, body: MaybeJson<Empty>) -> Result<Response, Problem> {
    let silent = those(&call.app.core.signers().await, |signer| signer.is_none());
    if !silent.is_empty() {
        let detail = format!(
            "nodes that do not answer and would not know the new authority: {silent}; bring them back, or remove them"
        );
        return Err(Problem::new(Code::AuthorityInUse, detail));
    }
    let command = call.app.core.new_authority().map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "an authority could not be made");
        Problem::new(Code::Internal, "an authority could not be made; the node's log says why")
    })?;
    let done = call.carry_out(command, body.fingerprint).await?;
    let known = call.read_after(done.index, |view| Ok(cluster::authorities(view)?)).await?.value;
    // A repetition of the request has made nothing: the one that signs is the one it asked for.
    let signing =
        views(known, &Signers::new()).into_iter().find(|view| view.state == AuthorityState::Signing);
    let view = signing.ok_or_else(|| Problem::new(Code::NotReady, "no authority signs"))?;
    done.created(&format!("/admin/v1/cluster/authorities/{}", view.fingerprint), &view)
}

/// Retires an authority for good: nothing that it signed is trusted any more. Refused while a node has a certificate of it, and while a
/// node does not say whose it has.
#[utoipa::path(
    post, path = "/admin/v1/cluster/authorities/{fingerprint}/retire", tag = "cluster", operation_id = "retire_authority",
    params(("fingerprint" = String, Path, description = "As the list has it")),
    request_body = Option<RetireAuthorityInput>,
    responses((status = 200, description = "The authority as it is now", body = AuthorityView))
)]
async fn retire(
    call: Call,
    PathId(Fingerprint(fingerprint)): PathId<Fingerprint>,
    body: MaybeJson<RetireAuthorityInput>,
) -> Result<Response, Problem> {
    let signers = call.app.core.signers().await;
    let ignore_silent = body.value.unwrap_or_default().ignore_silent;
    may_retire(&fingerprint, &signers, ignore_silent)
        .map_err(|detail| Problem::new(Code::AuthorityInUse, detail))?;
    let done = call.carry_out(RetireAuthority { fingerprint }, body.fingerprint).await?;
    let known = call.read_after(done.index, |view| Ok(cluster::authorities(view)?)).await?.value;
    let view = views(known, &signers).into_iter().find(|view| view.fingerprint == hex(&fingerprint));
    let view = view.ok_or_else(|| Problem::new(Code::NotFound, "there is no such authority any more"))?;
    done.answer(StatusCode::OK, &view)
}

/// Whether nobody is locked out by that; `Err` says who would be.
fn may_retire(fingerprint: &[u8; 32], signers: &Signers, ignore_silent: bool) -> Result<(), String> {
    let holding = those(signers, |signer| signer.as_ref() == Some(fingerprint));
    if !holding.is_empty() {
        return Err(format!("nodes with a certificate of it: {holding}"));
    }
    let silent = those(signers, |signer| signer.is_none());
    if !silent.is_empty() && !ignore_silent {
        return Err(format!("nodes that do not say whose certificate they have: {silent}"));
    }
    Ok(())
}

/// The nodes of which something is so, as a list for people.
fn those(signers: &Signers, is: impl Fn(&Option<[u8; 32]>) -> bool) -> String {
    let ids: Vec<String> =
        signers.iter().filter(|(_, signer)| is(signer)).map(|(node, _)| node.to_string()).collect();
    ids.join(", ")
}

/// Oldest first.
fn views(mut known: Vec<([u8; 32], Authority)>, signers: &Signers) -> Vec<AuthorityView> {
    known.sort_by_key(|(fingerprint, authority)| (authority.added_at, *fingerprint));
    let is_trusted = |authority: &Authority| authority.retired_at.is_none();
    let signing = known.iter().rposition(|(_, authority)| is_trusted(authority));
    let view = |(at, (fingerprint, authority)): (usize, ([u8; 32], Authority))| AuthorityView {
        fingerprint: hex(&fingerprint),
        state: match is_trusted(&authority) {
            true if Some(at) == signing => AuthorityState::Signing,
            true => AuthorityState::Trusted,
            false => AuthorityState::Retired,
        },
        added_at: authority.added_at,
        retired_at: authority.retired_at,
        nodes: signers.iter().filter(|(_, s)| **s == Some(fingerprint)).map(|(node, _)| *node).collect(),
    };
    known.into_iter().enumerate().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, Signers, hex, may_retire};

    #[test]
    fn fingerprints_are_64_digits() {
        let text = hex(&[0xa7; 32]);
        assert_eq!(text.parse(), Ok(Fingerprint([0xa7; 32])));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace('a', "+"), &"\u{e4}".repeat(32)] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_is_locked_out() {
        let check = |signers: &[(u64, Option<u8>)], ignore_silent: bool, expect: Option<&str>| {
            let signers: Signers =
                signers.iter().map(|(node, signer)| (*node, signer.map(|byte| [byte; 32]))).collect();
            let told = may_retire(&[1; 32], &signers, ignore_silent).err();
            assert_eq!(told.as_deref(), expect);
        };
        check(&[(1, Some(2)), (2, Some(2))], false, None);
        check(
            &[(1, Some(1)), (2, Some(2)), (3, Some(1))],
            true,
            Some("nodes with a certificate of it: 1, 3"),
        );
        let silent = "nodes that do not say whose certificate they have: 2";
        check(&[(1, Some(2)), (2, None)], false, Some(silent));
        check(&[(1, Some(2)), (2, None)], true, None);
    }
}
