//! The first exchange on every connection, on its first stream.
//!
//! ```text
//! hello    version u8 = 1 | cluster 16 | node u64 | protocol u16 | group u32
//! answer   version u8 = 1 | status u8 (0 welcome, 1 other cluster, 2 other node, 3 other protocol,
//!          4 removed) | protocol u16
//! ```
//!
//! The hello names the most that its sender speaks. A welcome names what both go on with: the lesser of the two mosts.
//! With *other protocol* the number is one that the answerer would take: whoever speaks it too dials again and says that
//! one. The first programs knew protocol 1 alone, refused every other number and answered 1: to them the second dial is an
//! ordinary one.

use std::ops::RangeInclusive;

use quinn::{Connection, RecvStream, SendStream};

use crate::{
    error::NetError,
    identity::ClusterId,
    transport::{GroupId, NodeId},
};

const VERSION: u8 = 1;

/// What the frames after the hello mean: the protocols that this program speaks. The last is raised when an older node
/// could not make sense of the frames; the first follows when no node can be that old any more.
pub const PROTOCOLS: RangeInclusive<u16> = 1..=1;

const HELLO_BYTES: usize = 31;
const ANSWER_BYTES: usize = 4;

/// What the one who dials says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    pub cluster: ClusterId,
    pub node: NodeId,
    /// The most that it speaks, or what it was told to say.
    pub protocol: u16,
    pub group: GroupId,
}

/// What the one who is dialled thinks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    OtherCluster,
    /// The hello names another node than the certificate.
    OtherNode,
    OtherProtocol,
    /// The node was removed from the cluster.
    Removed,
}

impl Hello {
    fn encode(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(&self.cluster.0);
        bytes[17..25].copy_from_slice(&self.node.to_be_bytes());
        bytes[25..27].copy_from_slice(&self.protocol.to_be_bytes());
        bytes[27..31].copy_from_slice(&self.group.0.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; HELLO_BYTES]) -> Result<Hello, NetError> {
        let (version, rest) = (bytes[0], &bytes[1..]);
        if version != VERSION {
            return Err(NetError::BadFrame(format!("hello of version {version}")));
        }
        let mut cluster = [0; 16];
        let (mut node, mut protocol, mut group) = ([0; 8], [0; 2], [0; 4]);
        cluster.copy_from_slice(&rest[..16]);
        node.copy_from_slice(&rest[16..24]);
        protocol.copy_from_slice(&rest[24..26]);
        group.copy_from_slice(&rest[26..30]);
        Ok(Hello {
            cluster: ClusterId(cluster),
            node: u64::from_be_bytes(node),
            protocol: u16::from_be_bytes(protocol),
            group: GroupId(u32::from_be_bytes(group)),
        })
    }

    /// Judges a hello from a peer whose certificate names `certified`.
    fn judge(
        self,
        cluster: ClusterId,
        certified: NodeId,
        removed: bool,
        protocols: &RangeInclusive<u16>,
    ) -> Answer {
        let protocol = self.protocol.min(*protocols.end());
        let verdict = if self.cluster != cluster {
            Verdict::OtherCluster
        } else if self.node != certified {
            Verdict::OtherNode
        } else if removed {
            Verdict::Removed
        } else if protocol < *protocols.start() {
            Verdict::OtherProtocol
        } else {
            Verdict::Welcome
        };
        let protocol = if verdict == Verdict::Welcome { protocol } else { *protocols.start() };
        Answer { verdict, protocol }
    }
}

/// What goes back to the one who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub verdict: Verdict,
    /// With a welcome what both go on with, else what the answerer would take.
    pub protocol: u16,
}

/// What the one who dials makes of an answer about protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn(u16),
    /// Dial again, and say this.
    Say(u16),
    GiveUp,
}

impl Answer {
    /// Judges the answer to a hello that said `said`. Each number that is said anew is a lesser one, so that this ends.
    fn heed(self, said: u16, protocols: &RangeInclusive<u16>) -> Next {
        let speaks = protocols.contains(&self.protocol);
        match self.verdict {
            Verdict::Welcome if speaks && self.protocol <= said => Next::GoOn(self.protocol),
            Verdict::OtherProtocol if speaks && self.protocol < said => Next::Say(self.protocol),
            _ => Next::GiveUp,
        }
    }

    fn encode(self) -> [u8; ANSWER_BYTES] {
        let status = match self.verdict {
            Verdict::Welcome => 0,
            Verdict::OtherCluster => 1,
            Verdict::OtherNode => 2,
            Verdict::OtherProtocol => 3,
            Verdict::Removed => 4,
        };
        let protocol = self.protocol.to_be_bytes();
        [VERSION, status, protocol[0], protocol[1]]
    }

    fn decode(bytes: [u8; ANSWER_BYTES]) -> Result<Answer, NetError> {
        let [version, status, p0, p1] = bytes;
        let verdict = match (version, status) {
            (VERSION, 0) => Verdict::Welcome,
            (VERSION, 1) => Verdict::OtherCluster,
            (VERSION, 2) => Verdict::OtherNode,
            (VERSION, 3) => Verdict::OtherProtocol,
            (VERSION, 4) => Verdict::Removed,
            _ => return Err(NetError::BadFrame(format!("hello answer {bytes:?}"))),
        };
        Ok(Answer { verdict, protocol: u16::from_be_bytes([p0, p1]) })
    }
}

/// How a hello ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// There is somebody to talk to, in this protocol.
    Welcome(u16),
    /// The peer takes this protocol, on a new connection.
    Again(u16),
}

/// Says hello on a new connection. Only when this returns [`Said::Welcome`] is there anybody to talk to.
pub(super) async fn say(
    connection: &Connection,
    peer: NodeId,
    hello: Hello,
    protocols: &RangeInclusive<u16>,
) -> Result<Said, NetError> {
    let lost = |why: String| NetError::Lost { peer, why };
    let (mut tx, mut rx) = connection.open_bi().await.map_err(|error| lost(error.to_string()))?;
    tx.write_all(&hello.encode()).await.map_err(|error| lost(error.to_string()))?;
    // An error means that the peer has closed the stream, and what it answered is to be read.
    let _ = tx.finish();
    let mut answer = [0; ANSWER_BYTES];
    rx.read_exact(&mut answer).await.map_err(|error| lost(error.to_string()))?;
    let answer = Answer::decode(answer)?;
    match answer.heed(hello.protocol, protocols) {
        Next::GoOn(protocol) => return Ok(Said::Welcome(protocol)),
        Next::Say(protocol) => return Ok(Said::Again(protocol)),
        Next::GiveUp => {}
    }
    let why = match answer.verdict {
        Verdict::OtherCluster => "it belongs to another cluster".into(),
        Verdict::OtherNode => "this node's certificate names another node".into(),
        Verdict::Welcome | Verdict::OtherProtocol => format!(
            "it speaks protocol {}, this node speaks {} to {}: upgrade the older of the two",
            answer.protocol,
            protocols.start(),
            protocols.end()
        ),
        Verdict::Removed => return Err(NetError::Removed { peer }),
    };
    Err(NetError::Refused { peer, why })
}

/// Hears a hello and answers it. Returns whether the peer may go on.
pub(super) async fn hear(
    (mut tx, mut rx): (SendStream, RecvStream),
    cluster: ClusterId,
    certified: NodeId,
    removed: bool,
    protocols: &RangeInclusive<u16>,
) -> Result<Answer, NetError> {
    let lost = |why: String| NetError::Lost { peer: certified, why };
    let mut bytes = [0; HELLO_BYTES];
    rx.read_exact(&mut bytes).await.map_err(|error| lost(error.to_string()))?;
    let answer = Hello::decode(bytes)?.judge(cluster, certified, removed, protocols);
    tx.write_all(&answer.encode()).await.map_err(|error| lost(error.to_string()))?;
    let _ = tx.finish();
    if answer.verdict != Verdict::Welcome {
        // The connection is about to be closed, which drops what has not arrived.
        let _ = tx.stopped().await;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId([7; 16]);
    const HELLO: Hello = Hello { cluster: CLUSTER, node: 1, protocol: 1, group: GroupId(1) };

    #[test]
    fn the_bytes_are_pinned() {
        let expect = [[1].as_slice(), &[7; 16], &[0, 0, 0, 0, 0, 0, 0, 1], &[0, 1], &[0, 0, 0, 1]].concat();
        assert_eq!(HELLO.encode().as_slice(), expect);
        assert_eq!(Hello::decode(HELLO.encode()), Ok(HELLO));
        for verdict in [
            Verdict::Welcome,
            Verdict::OtherCluster,
            Verdict::OtherNode,
            Verdict::OtherProtocol,
            Verdict::Removed,
        ] {
            let answer = Answer { verdict, protocol: 0x102 };
            assert_eq!(Answer::decode(answer.encode()), Ok(answer));
        }
        let pinned = |verdict, protocol, expect| {
            assert_eq!(Answer { verdict, protocol }.encode(), expect);
        };
        pinned(Verdict::OtherNode, 1, [1, 2, 0, 1]);
        pinned(Verdict::Welcome, 2, [1, 0, 0, 2]);
        pinned(Verdict::OtherProtocol, 0x102, [1, 3, 1, 2]);
        assert!(Answer::decode([1, 9, 0, 1]).is_err());
    }

    #[test]
    fn a_claim_beyond_the_certificate_is_refused() {
        let judge = |hello: Hello, removed| hello.judge(CLUSTER, 1, removed, &(1..=1)).verdict;
        let check = |hello: Hello, expect| assert_eq!(judge(hello, false), expect);
        check(HELLO, Verdict::Welcome);
        check(Hello { cluster: ClusterId([8; 16]), ..HELLO }, Verdict::OtherCluster);
        check(Hello { node: 2, ..HELLO }, Verdict::OtherNode);
        check(Hello { protocol: 0, ..HELLO }, Verdict::OtherProtocol);
        assert_eq!(judge(HELLO, true), Verdict::Removed);
        // Who claims to be another node learns nothing of that one.
        assert_eq!(judge(Hello { node: 2, ..HELLO }, true), Verdict::OtherNode);
    }

    /// What two programs agree on, and after how many dials.
    fn agree(dials: RangeInclusive<u16>, answer: impl Fn(Hello) -> Answer) -> Option<(u16, u32)> {
        let mut said = *dials.end();
        for dial in 1..10 {
            match answer(Hello { protocol: said, ..HELLO }).heed(said, &dials) {
                Next::GoOn(protocol) => return Some((protocol, dial)),
                Next::Say(protocol) => said = protocol,
                Next::GiveUp => return None,
            }
        }
        panic!("{dials:?} dials without end");
    }

    #[test]
    fn two_programs_speak_the_newest_protocol_that_both_know() {
        let check = |dials: RangeInclusive<u16>, answers: RangeInclusive<u16>, expect: Option<u16>| {
            let agreed = agree(dials.clone(), |hello| hello.judge(CLUSTER, 1, false, &answers));
            assert_eq!(agreed, expect.map(|protocol| (protocol, 1)), "{dials:?} dials {answers:?}");
        };
        check(1..=1, 1..=1, Some(1));
        check(1..=1, 1..=2, Some(1));
        check(1..=2, 1..=1, Some(1));
        check(1..=2, 1..=2, Some(2));
        check(1..=3, 2..=4, Some(3));
        check(2..=4, 1..=3, Some(3));
        // Neither knows what the other does.
        check(2..=3, 1..=1, None);
        check(1..=1, 2..=3, None);
    }

    /// The first programs demand their own number and answer it.
    #[test]
    fn a_program_from_before_there_was_a_choice_is_dialled_again() {
        let first_program = |hello: Hello| {
            let verdict = if hello.protocol == 1 { Verdict::Welcome } else { Verdict::OtherProtocol };
            Answer { verdict, protocol: 1 }
        };
        assert_eq!(agree(1..=1, first_program), Some((1, 1)));
        assert_eq!(agree(1..=2, first_program), Some((1, 2)));
        assert_eq!(agree(2..=3, first_program), None);
    }

    /// Whoever answers nonsense is neither believed nor dialled for ever.
    #[test]
    fn an_answer_beyond_what_was_said_is_not_believed() {
        let check = |verdict, protocol, expect| {
            assert_eq!(Answer { verdict, protocol }.heed(2, &(1..=3)), expect);
        };
        check(Verdict::Welcome, 3, Next::GiveUp);
        check(Verdict::Welcome, 0, Next::GiveUp);
        check(Verdict::OtherProtocol, 2, Next::GiveUp);
        check(Verdict::OtherProtocol, 3, Next::GiveUp);
        check(Verdict::OtherProtocol, 1, Next::Say(1));
        check(Verdict::Removed, 1, Next::GiveUp);
    }
}
