//! The first exchange on every connection, on its first stream.
//!
//! ```text
//! hello    version u8 = 1 | cluster 16 | node u64 | protocol u16 | group u32
//! answer   version u8 = 1 | status u8 (0 welcome, 1 other cluster, 2 other node, 3 other protocol,
//!          4 removed) | protocol u16
//! ```

use quinn::{Connection, RecvStream, SendStream};

use crate::{
    error::NetError,
    identity::ClusterId,
    transport::{GroupId, NodeId},
};

const VERSION: u8 = 1;

/// What the frames after the hello mean. Raised when an old node could not make sense of them.
pub(super) const PROTOCOL: u16 = 1;

const HELLO_BYTES: usize = 31;
const ANSWER_BYTES: usize = 4;

/// What the one who dials says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    pub cluster: ClusterId,
    pub node: NodeId,
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
    fn judge(self, cluster: ClusterId, certified: NodeId, removed: bool) -> Verdict {
        if self.cluster != cluster {
            Verdict::OtherCluster
        } else if self.node != certified {
            Verdict::OtherNode
        } else if removed {
            Verdict::Removed
        } else if self.protocol != PROTOCOL {
            Verdict::OtherProtocol
        } else {
            Verdict::Welcome
        }
    }
}

impl Verdict {
    fn encode(self) -> [u8; ANSWER_BYTES] {
        let status = match self {
            Verdict::Welcome => 0,
            Verdict::OtherCluster => 1,
            Verdict::OtherNode => 2,
            Verdict::OtherProtocol => 3,
            Verdict::Removed => 4,
        };
        let protocol = PROTOCOL.to_be_bytes();
        [VERSION, status, protocol[0], protocol[1]]
    }

    fn decode(bytes: [u8; ANSWER_BYTES]) -> Result<(Verdict, u16), NetError> {
        let [version, status, p0, p1] = bytes;
        let verdict = match (version, status) {
            (VERSION, 0) => Verdict::Welcome,
            (VERSION, 1) => Verdict::OtherCluster,
            (VERSION, 2) => Verdict::OtherNode,
            (VERSION, 3) => Verdict::OtherProtocol,
            (VERSION, 4) => Verdict::Removed,
            _ => return Err(NetError::BadFrame(format!("hello answer {bytes:?}"))),
        };
        Ok((verdict, u16::from_be_bytes([p0, p1])))
    }
}

/// Says hello on a new connection. Only when this returns `Ok` is there anybody to talk to.
pub(super) async fn say(connection: &Connection, peer: NodeId, hello: Hello) -> Result<(), NetError> {
    let lost = |why: String| NetError::Lost { peer, why };
    let (mut tx, mut rx) = connection.open_bi().await.map_err(|error| lost(error.to_string()))?;
    tx.write_all(&hello.encode()).await.map_err(|error| lost(error.to_string()))?;
    // An error means that the peer has closed the stream, and what it answered is to be read.
    let _ = tx.finish();
    let mut answer = [0; ANSWER_BYTES];
    rx.read_exact(&mut answer).await.map_err(|error| lost(error.to_string()))?;
    let (verdict, protocol) = Verdict::decode(answer)?;
    let why = match verdict {
        Verdict::Welcome => return Ok(()),
        Verdict::OtherCluster => "it belongs to another cluster".into(),
        Verdict::OtherNode => "this node's certificate names another node".into(),
        Verdict::OtherProtocol => format!("it speaks protocol {protocol}, this node speaks {PROTOCOL}"),
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
) -> Result<Verdict, NetError> {
    let lost = |why: String| NetError::Lost { peer: certified, why };
    let mut bytes = [0; HELLO_BYTES];
    rx.read_exact(&mut bytes).await.map_err(|error| lost(error.to_string()))?;
    let verdict = Hello::decode(bytes)?.judge(cluster, certified, removed);
    tx.write_all(&verdict.encode()).await.map_err(|error| lost(error.to_string()))?;
    let _ = tx.finish();
    if verdict != Verdict::Welcome {
        // The connection is about to be closed, which drops what has not arrived.
        let _ = tx.stopped().await;
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Hello =
        Hello { cluster: ClusterId([7; 16]), node: 1, protocol: PROTOCOL, group: GroupId(1) };

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
            assert_eq!(Verdict::decode(verdict.encode()), Ok((verdict, 1)));
        }
        assert_eq!(Verdict::OtherNode.encode(), [1, 2, 0, 1]);
        assert!(Verdict::decode([1, 9, 0, 1]).is_err());
    }

    #[test]
    fn a_claim_beyond_the_certificate_is_refused() {
        let check = |hello: Hello, expect| assert_eq!(hello.judge(ClusterId([7; 16]), 1, false), expect);
        check(HELLO, Verdict::Welcome);
        check(Hello { cluster: ClusterId([8; 16]), ..HELLO }, Verdict::OtherCluster);
        check(Hello { node: 2, ..HELLO }, Verdict::OtherNode);
        check(Hello { protocol: 2, ..HELLO }, Verdict::OtherProtocol);
        assert_eq!(HELLO.judge(ClusterId([7; 16]), 1, true), Verdict::Removed);
        // Who claims to be another node learns nothing of that one.
        let other = Hello { node: 2, ..HELLO };
        assert_eq!(other.judge(ClusterId([7; 16]), 1, true), Verdict::OtherNode);
    }
}
