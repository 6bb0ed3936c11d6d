//! A command on its one hop to the leader, and the answer on its way back.
//!
//! These bytes are a contract between nodes of different versions; the tests below pin them. The envelope carries the
//! trace, the request id and how a repetition is recognised; the deadline travels as what is left of it, because the
//! clocks of two nodes are not the same.
//!
//! ```text
//! request  version u8 = 1 | remaining ms u32 BE | envelope
//! answer   version u8 = 1 | tag u8 | what follows from the tag:
//!   0 done             index u64 BE | outcome of the state machine
//!   1 not leader       node id u64 BE of the leader, 0 if none is known
//!   2 no quorum        3 outcome unknown  why (UTF-8)      4 overloaded
//!   5 too large        bytes u64 BE | limit u64 BE         6 clock ahead  why (UTF-8)
//!   7 stopped          8 not understood   why (UTF-8)
//! ```
//!
//! Every answer but 0 and 3 says that nothing was proposed.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::{NetError, NodeId};
use raft::{Applied, SubmitError};
use tokio::time::Instant;

use super::courier::Delivery;
use super::{Peers, kind};

const VERSION: u8 = 1;

/// What the leader answers before the deadline of the one who asks, so that its answer arrives within it: an eighth of
/// what is left, and at most this.
const MOST_RESERVED: Duration = Duration::from_millis(100);

/// A command that was carried out by the leader.
pub type Forwarded = Applied;

/// Why there is no outcome from the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotForwarded {
    /// It was not proposed, and this says why.
    Refused(Refusal),
    /// It did not get to the leader, or came to somebody who leads no more. Another try may do better.
    NotAccepted(String),
    /// It may have been proposed.
    OutcomeUnknown(String),
}

/// Why a leader did not propose a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NotLeader { leader: Option<NodeId> },
    NoQuorum,
    Overloaded,
    TooLarge { bytes: u64, limit: u64 },
    ClockAhead(String),
    Stopped,
    NotUnderstood(String),
}

/// What a forwarded command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Done { index: u64, outcome: Bytes },
    Refused(Refusal),
    OutcomeUnknown(String),
}

/// A command as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub remaining: Duration,
    pub envelope: Bytes,
}

impl Peers {
    /// Sends an encoded envelope to `leader` and waits for what comes of it, at most until `deadline`.
    ///
    /// # Errors
    /// See [`NotForwarded`].
    pub async fn submit(
        &self,
        leader: NodeId,
        envelope: Bytes,
        deadline: Instant,
    ) -> Result<Forwarded, NotForwarded> {
        let delivery = self.0.couriers.send(&self.0.transport, leader, envelope.clone(), deadline).await;
        let answer = match delivery {
            Delivery::Answered(answer) => answer,
            Delivery::Unsent(why) => return Err(NotForwarded::NotAccepted(why)),
            Delivery::Lost(why) => return Err(NotForwarded::OutcomeUnknown(why)),
            Delivery::OneByOne => self.submit_alone(leader, envelope, deadline).await?,
        };
        match Answer::decode(answer) {
            Some(Answer::Done { index, outcome }) => Ok(Applied { index, outcome }),
            Some(Answer::Refused(refusal)) => Err(NotForwarded::Refused(refusal)),
            Some(Answer::OutcomeUnknown(why)) => Err(NotForwarded::OutcomeUnknown(why)),
            None => {
                let why = format!("the answer of node {leader} is of no form that is known here");
                Err(NotForwarded::OutcomeUnknown(why))
            }
        }
    }
}

impl Peers {
    async fn submit_alone(
        &self,
        leader: NodeId,
        envelope: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, NotForwarded> {
        let request = Request::within(deadline, envelope).encode();
        self.call(leader, kind::SUBMIT, request, deadline).await.map_err(|error| match error {
            // These are known before the request leaves, or are the peer's refusal to look at it.
            NetError::Unreachable { .. } | NetError::Endpoint(_) | NetError::Refused { .. } => {
                NotForwarded::NotAccepted(error.to_string())
            }
            error => NotForwarded::OutcomeUnknown(error.to_string()),
        })
    }
}

impl Request {
    /// To be answered before `deadline`, which is the asker's.
    pub(super) fn within(deadline: Instant, envelope: Bytes) -> Request {
        let left = deadline.saturating_duration_since(Instant::now());
        Request { remaining: left - (left / 8).min(MOST_RESERVED), envelope }
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(5 + self.envelope.len());
        out.put_u8(VERSION);
        out.put_u32(u32::try_from(self.remaining.as_millis()).unwrap_or(u32::MAX));
        out.put_slice(&self.envelope);
        out.freeze()
    }

    /// `Err` says what is wrong with the bytes.
    pub(super) fn decode(mut body: Bytes) -> Result<Request, String> {
        if body.len() < 5 {
            return Err("a forwarded command ends early".to_owned());
        }
        let version = body.get_u8();
        if version != VERSION {
            return Err(format!("forwarded commands of version {version}: this node knows {VERSION}"));
        }
        let remaining = Duration::from_millis(u64::from(body.get_u32()));
        Ok(Request { remaining, envelope: body })
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        match self {
            Answer::Done { index, outcome } => {
                out.put_u8(0);
                out.put_u64(*index);
                out.put_slice(outcome);
            }
            Answer::Refused(Refusal::NotLeader { leader }) => {
                out.put_u8(1);
                out.put_u64(leader.unwrap_or(0));
            }
            Answer::Refused(Refusal::NoQuorum) => out.put_u8(2),
            Answer::OutcomeUnknown(why) => put_text(&mut out, 3, why),
            Answer::Refused(Refusal::Overloaded) => out.put_u8(4),
            Answer::Refused(Refusal::TooLarge { bytes, limit }) => {
                out.put_u8(5);
                out.put_u64(*bytes);
                out.put_u64(*limit);
            }
            Answer::Refused(Refusal::ClockAhead(why)) => put_text(&mut out, 6, why),
            Answer::Refused(Refusal::Stopped) => out.put_u8(7),
            Answer::Refused(Refusal::NotUnderstood(why)) => put_text(&mut out, 8, why),
        }
        out.freeze()
    }

    fn decode(mut body: Bytes) -> Option<Answer> {
        let (version, tag) = (body.try_get_u8().ok()?, body.try_get_u8().ok()?);
        if version != VERSION {
            return None;
        }
        let text = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
        Some(match tag {
            0 => Answer::Done { index: body.try_get_u64().ok()?, outcome: body },
            1 => {
                let leader = Some(body.try_get_u64().ok()?).filter(|id| *id != 0);
                Answer::Refused(Refusal::NotLeader { leader })
            }
            2 => Answer::Refused(Refusal::NoQuorum),
            3 => Answer::OutcomeUnknown(text(&body)),
            4 => Answer::Refused(Refusal::Overloaded),
            5 => {
                let (bytes, limit) = (body.try_get_u64().ok()?, body.try_get_u64().ok()?);
                Answer::Refused(Refusal::TooLarge { bytes, limit })
            }
            6 => Answer::Refused(Refusal::ClockAhead(text(&body))),
            7 => Answer::Refused(Refusal::Stopped),
            8 => Answer::Refused(Refusal::NotUnderstood(text(&body))),
            _ => return None,
        })
    }
}

impl From<Result<Applied, SubmitError>> for Answer {
    fn from(result: Result<Applied, SubmitError>) -> Answer {
        match result {
            Ok(Applied { index, outcome }) => Answer::Done { index, outcome },
            Err(SubmitError::OutcomeUnknown { why }) => Answer::OutcomeUnknown(why.to_owned()),
            Err(SubmitError::NotLeader { leader }) => Answer::Refused(Refusal::NotLeader { leader }),
            Err(SubmitError::NoQuorum) => Answer::Refused(Refusal::NoQuorum),
            Err(SubmitError::Overloaded) => Answer::Refused(Refusal::Overloaded),
            Err(SubmitError::TooLarge { bytes, limit }) => {
                Answer::Refused(Refusal::TooLarge { bytes: bytes as u64, limit: limit as u64 })
            }
            Err(error @ SubmitError::ClockAhead { .. }) => {
                Answer::Refused(Refusal::ClockAhead(error.to_string()))
            }
            Err(SubmitError::Stopped) => Answer::Refused(Refusal::Stopped),
        }
    }
}

fn put_text(out: &mut BytesMut, tag: u8, text: &str) {
    out.put_u8(tag);
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{Answer, Refusal, Request};

    #[test]
    fn the_bytes_of_a_request_are_pinned() {
        let request =
            Request { remaining: Duration::from_millis(1_500), envelope: Bytes::from_static(&[7, 8]) };
        assert_eq!(request.encode().as_ref(), [1, 0, 0, 5, 0xdc, 7, 8]);
        assert_eq!(Request::decode(request.encode()), Ok(request));
        assert!(Request::decode(Bytes::from_static(&[2, 0, 0, 0, 0])).unwrap_err().contains("version 2"));
        assert!(Request::decode(Bytes::from_static(&[1, 0, 0])).is_err());
    }

    #[test]
    fn the_bytes_of_an_answer_are_pinned() {
        let check = |answer: Answer, expect: &[u8]| {
            assert_eq!(answer.encode().as_ref(), expect, "{answer:?}");
            assert_eq!(Answer::decode(Bytes::copy_from_slice(expect)), Some(answer));
        };
        check(
            Answer::Done { index: 258, outcome: Bytes::from_static(b"ok") },
            &[1, 0, 0, 0, 0, 0, 0, 0, 1, 2, b'o', b'k'],
        );
        let refused = Answer::Refused;
        check(refused(Refusal::NotLeader { leader: Some(3) }), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
        check(refused(Refusal::NotLeader { leader: None }), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(refused(Refusal::NoQuorum), &[1, 2]);
        check(Answer::OutcomeUnknown("w".into()), &[1, 3, b'w']);
        check(refused(Refusal::Overloaded), &[1, 4]);
        let too_large = Refusal::TooLarge { bytes: 2, limit: 1 };
        check(refused(too_large), &[1, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        check(refused(Refusal::ClockAhead("c".into())), &[1, 6, b'c']);
        check(refused(Refusal::Stopped), &[1, 7]);
        check(refused(Refusal::NotUnderstood("n".into())), &[1, 8, b'n']);
    }

    #[test]
    fn an_answer_that_is_not_known_is_no_refusal() {
        for strange in [&[][..], &[1], &[2, 0], &[1, 9], &[1, 0, 0], &[1, 5, 0]] {
            assert_eq!(Answer::decode(Bytes::copy_from_slice(strange)), None, "{strange:?}");
        }
    }
}
