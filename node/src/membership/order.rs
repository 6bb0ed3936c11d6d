//! What operators order for the group's members. Only the leader can carry it out; any node takes the order and sends
//! it there.
//!
//! ```text
//! question  version u8 = 1 | remaining ms u32 | order u8 | node u64 | lag u64
//! answer    version u8 = 1 | 0: done
//!                          | 1: not the leader | the leader u64, 0 if it is not known
//!                          | 2: refused | length of the code u8 | code | detail
//! ```
//!
//! Big-endian. Every order can be repeated without harm: it names how things shall be, not a step.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::{NetError, NodeId};
use raft::{Host, MembershipError, SubmitError};
use shop::Code;
use tokio::time::Instant;

use crate::peers::Peers;

const VERSION: u8 = 1;

/// What shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A learner that lacks at most `max_lag` entries votes.
    Promote { node: NodeId, max_lag: u64 },
    /// A voter becomes a learner.
    Demote { node: NodeId },
    /// Nothing changes: only whether [`Order::Remove`] would be refused.
    MayRemove { node: NodeId },
    /// A member leaves the group.
    Remove { node: NodeId },
    /// `to` leads, or if it is `None` whoever is best able to and does not lead now.
    Transfer { to: Option<NodeId> },
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub detail: String,
    /// Who leads instead, with [`Code::NotLeader`].
    pub leader: Option<NodeId>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Refusal {
        Refusal { code, detail: detail.into(), leader: None }
    }

    pub(super) fn not_leader(leader: Option<NodeId>) -> Refusal {
        Refusal { leader, ..Refusal::new(Code::NotLeader, "this node does not lead") }
    }
}

impl From<MembershipError> for Refusal {
    fn from(error: MembershipError) -> Refusal {
        match error {
            MembershipError::Submit(SubmitError::NotLeader { leader }) => Refusal::not_leader(leader),
            MembershipError::Submit(SubmitError::Stopped) => {
                Refusal::new(Code::NotReady, "the leader is stopping")
            }
            error => {
                let code = Code::find(error.code()).unwrap_or(Code::MembershipRefused);
                Refusal::new(code, error.to_string())
            }
        }
    }
}

impl Order {
    /// Here, if this node leads.
    pub(super) async fn carry_out(self, host: &Host, deadline: Instant) -> Result<(), Refusal> {
        let done = match self {
            Order::Promote { node, max_lag } => host.promote(node, max_lag, deadline).await,
            Order::Demote { node } => host.demote(node, deadline).await,
            Order::MayRemove { node } => host.may_remove(node, deadline).await,
            Order::Remove { node } => host.remove(node, deadline).await,
            Order::Transfer { to: Some(to) } => host.transfer_leader(to, deadline).await,
            Order::Transfer { to: None } => host.hand_over(deadline).await.map(drop),
        };
        done.map_err(Refusal::from)
    }

    /// At `leader`, which answers.
    pub(super) async fn send(self, peers: &Peers, leader: NodeId, deadline: Instant) -> Result<(), Refusal> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let answer = peers.order(leader, self.encode(remaining), deadline).await;
        match answer {
            Ok(answer) => decode_answer(answer),
            // It was never sent: another leader may be known soon.
            Err(NetError::Unreachable { .. }) => Err(Refusal::not_leader(None)),
            Err(NetError::Refused { why, .. }) => Err(Refusal::new(Code::NotReady, why)),
            Err(error) => Err(Refusal::new(Code::OutcomeUnknown, error.to_string())),
        }
    }

    fn encode(self, remaining: Duration) -> Bytes {
        let (tag, node, lag) = match self {
            Order::Promote { node, max_lag } => (1, node, max_lag),
            Order::Demote { node } => (2, node, 0),
            Order::MayRemove { node } => (3, node, 0),
            Order::Remove { node } => (4, node, 0),
            Order::Transfer { to } => (5, to.unwrap_or(0), 0),
        };
        let mut out = BytesMut::with_capacity(22);
        out.put_u8(VERSION);
        out.put_u32(u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX));
        out.put_u8(tag);
        out.put_u64(node);
        out.put_u64(lag);
        out.freeze()
    }

    fn decode(mut body: Bytes) -> Option<(Order, Duration)> {
        if body.try_get_u8().ok()? != VERSION {
            return None;
        }
        let remaining = Duration::from_millis(body.try_get_u32().ok()?.into());
        let (tag, node, lag) = (body.try_get_u8().ok()?, body.try_get_u64().ok()?, body.try_get_u64().ok()?);
        let order = match tag {
            1 => Order::Promote { node, max_lag: lag },
            2 => Order::Demote { node },
            3 => Order::MayRemove { node },
            4 => Order::Remove { node },
            5 => Order::Transfer { to: Some(node).filter(|node| *node != 0) },
            _ => return None,
        };
        Some((order, remaining))
    }
}

/// Carries out an order that another node was given.
pub(crate) async fn serve(host: &Host, body: Bytes) -> Result<Bytes, String> {
    let (order, remaining) =
        Order::decode(body).ok_or_else(|| "this node does not know such an order".to_owned())?;
    let done = order.carry_out(host, Instant::now() + remaining.min(super::ORDER_LIMIT)).await;
    Ok(encode_answer(&done))
}

fn encode_answer(done: &Result<(), Refusal>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    match done {
        Ok(()) => out.put_u8(0),
        Err(refusal) if refusal.code == Code::NotLeader => {
            out.put_u8(1);
            out.put_u64(refusal.leader.unwrap_or(0));
        }
        Err(refusal) => {
            let code = refusal.code.as_str();
            out.put_u8(2);
            out.put_u8(code.len() as u8);
            out.put_slice(code.as_bytes());
            out.put_slice(refusal.detail.as_bytes());
        }
    }
    out.freeze()
}

fn decode_answer(body: Bytes) -> Result<(), Refusal> {
    let strange = || Refusal::new(Code::OutcomeUnknown, "the leader's answer is not understood here");
    read_answer(body).unwrap_or_else(|| Err(strange()))
}

fn read_answer(mut body: Bytes) -> Option<Result<(), Refusal>> {
    if body.try_get_u8().ok()? != VERSION {
        return None;
    }
    match body.try_get_u8().ok()? {
        0 => Some(Ok(())),
        1 => {
            let leader = body.try_get_u64().ok()?;
            Some(Err(Refusal::not_leader(Some(leader).filter(|leader| *leader != 0))))
        }
        2 => {
            let length = usize::from(body.try_get_u8().ok()?);
            let code = (body.len() >= length).then(|| body.split_to(length))?;
            let code =
                std::str::from_utf8(&code).ok().and_then(Code::find).unwrap_or(Code::MembershipRefused);
            Some(Err(Refusal::new(code, String::from_utf8_lossy(&body))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_order_are_pinned() {
        let remaining = Duration::from_millis(258);
        let check = |order: Order, tail: [u8; 17]| {
            let bytes = order.encode(remaining);
            assert_eq!(bytes.as_ref(), [&[1, 0, 0, 1, 2][..], &tail].concat(), "{order:?}");
            assert_eq!(Order::decode(bytes), Some((order, remaining)));
        };
        let node = 3;
        check(Order::Promote { node, max_lag: 4 }, [1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
        check(Order::Demote { node }, [2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(Order::MayRemove { node }, [3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(Order::Remove { node }, [4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(Order::Transfer { to: Some(node) }, [5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(Order::Transfer { to: None }, [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for strange in [&[][..], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 9]] {
            assert_eq!(Order::decode(Bytes::copy_from_slice(strange)), None);
        }
    }

    #[test]
    fn the_bytes_of_an_answer_are_pinned() {
        let check = |done: Result<(), Refusal>, expect: &[u8]| {
            assert_eq!(encode_answer(&done).as_ref(), expect, "{done:?}");
            assert_eq!(decode_answer(Bytes::copy_from_slice(expect)), done);
        };
        check(Ok(()), &[1, 0]);
        check(Err(Refusal::not_leader(Some(2))), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        check(Err(Refusal::not_leader(None)), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(Err(Refusal::new(Code::LastVoter, "why")), b"\x01\x02\x0alast_voterwhy");
        for strange in [&[][..], &[2, 0], &[1, 3], &[1, 2, 9, b'x']] {
            let answer = decode_answer(Bytes::copy_from_slice(strange)).unwrap_err();
            assert_eq!(answer.code, Code::OutcomeUnknown);
        }
    }

    #[test]
    fn every_refusal_of_raft_has_its_own_code_here() {
        let node = 2;
        let all = [
            MembershipError::UnknownMember { node },
            MembershipError::NotVoter { node },
            MembershipError::LosesQuorum { voters: 3, reachable: 1, needed: 2, silent: [3].into() },
            MembershipError::LastVoter { node },
            MembershipError::Behind { node, lag: 9, allowed: 1 },
            MembershipError::Silent { node },
            MembershipError::AddressTaken { address: "a:1".into(), other: 3 },
            MembershipError::NotTransferred { to: 2, why: "w".into() },
            MembershipError::Refused("r".into()),
            MembershipError::Submit(SubmitError::NoQuorum),
            MembershipError::Submit(SubmitError::OutcomeUnknown { why: "w" }),
        ];
        for error in all {
            assert_eq!(Refusal::from(error.clone()).code.as_str(), error.code());
        }
    }
}
