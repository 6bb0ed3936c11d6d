//! The two messages of the join exchange: a version byte, then bincode. Positional: append only.
//!
//! ```text
//! request  version u8 = 1 | the request
//!          version u8 = 2 | the request | of the joining program: least level, most level
//! answer   version u8 = 1 | the answer
//! ```
//!
//! Whoever joins asks in version 2, and again in version 1 when it is told that this is not understood.

use net::ClusterId;
use serde::{Deserialize, Serialize};
use shop::Levels;
use shop::cluster::NodeInfo;
use shop::ids::JoinTokenId;
use zeroize::Zeroize;

const VERSION: u8 = 1;
const WITH_LEVELS: u8 = 2;

/// The code of a request that is not understood.
pub const BAD_REQUEST: &str = "join_bad_request";

/// What a machine sends that wants to become a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub token: JoinTokenId,
    pub secret: [u8; 32],
    pub cluster: [u8; 16],
    /// PKCS #10, signed with the node's key.
    pub certificate_request: Vec<u8>,
    pub info: NodeInfo,
    /// What its program supports; told from version 2 on.
    #[serde(skip, default = "levels_of_version_1")]
    pub levels: Levels,
}

fn levels_of_version_1() -> Levels {
    Levels::FIRST
}

impl Drop for Request {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Enrolled(Enrolled),
    /// Asking again changes nothing.
    Refused {
        code: String,
        detail: String,
    },
    /// Not now: asking again may help, and does no harm.
    Unavailable {
        detail: String,
    },
}

/// All that makes a machine a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    pub node: u64,
    /// As in every node's configuration.
    pub cluster_name: String,
    /// X.509, DER.
    pub certificate: Vec<u8>,
    /// Whose certificates are trusted. X.509, DER.
    pub authorities: Vec<Vec<u8>>,
    pub seal_key: [u8; 32],
    /// Where the other nodes are.
    pub nodes: Vec<(u64, String)>,
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.seal_key.zeroize();
    }
}

/// Bytes that are no message of a version that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(
        "the message is of version {0}, this binary knows up to {WITH_LEVELS}: install the same version on both sides"
    )]
    OtherVersion(u8),
    #[error("the message is damaged")]
    Damaged,
}

impl Request {
    pub fn cluster(&self) -> ClusterId {
        ClusterId(self.cluster)
    }

    /// Its bytes, as programs since there are levels read them.
    ///
    /// # Errors
    /// When it is too large.
    pub fn encode(&self) -> Result<Vec<u8>, storage::Fault> {
        let mut bytes = vec![WITH_LEVELS];
        bytes.append(&mut storage::encode(&(self, self.levels))?);
        Ok(bytes)
    }

    /// # Errors
    /// See [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match bytes.split_first() {
            Some((&WITH_LEVELS, body)) => {
                let (mut request, levels) =
                    storage::decode::<(Self, Levels)>(body).map_err(|_| MessageError::Damaged)?;
                request.levels = levels;
                Ok(request)
            }
            _ => decode(bytes),
        }
    }
}

/// The bytes of a message.
///
/// # Errors
/// When it is too large.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, storage::Fault> {
    let mut bytes = vec![VERSION];
    bytes.append(&mut storage::encode(message)?);
    Ok(bytes)
}

/// # Errors
/// See [`MessageError`].
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => storage::decode(body).map_err(|_| MessageError::Damaged),
        Some((&other, _)) => Err(MessageError::OtherVersion(other)),
        None => Err(MessageError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use shop::Levels;
    use shop::cluster::NodeInfo;
    use shop::ids::JoinTokenId;

    use super::{Answer, Enrolled, MessageError, Request, decode, encode};

    fn info() -> NodeInfo {
        NodeInfo {
            name: "b".into(),
            zone: "z".into(),
            cluster: "h:1".into(),
            http: "h:2".into(),
            version: "1".into(),
        }
    }

    /// Nodes of other versions read these bytes.
    #[test]
    fn the_bytes_are_pinned() {
        let request = Request {
            token: JoinTokenId([1; 16]),
            secret: [2; 32],
            cluster: [3; 16],
            certificate_request: vec![4, 5],
            info: info(),
            levels: Levels::FIRST,
        };
        let expect =
            [&[1][..], &[1; 16], &[2; 32], &[3; 16], &[2, 4, 5], b"\x01b\x01z\x03h:1\x03h:2\x011"].concat();
        assert_eq!(encode(&request).unwrap(), expect);
        assert_eq!(Request::decode(&expect).as_ref(), Ok(&request));
        let newer = [&[2][..], &expect[1..], &[3, 4]].concat();
        let mut request = request;
        request.levels = Levels { least: 3, most: 4 };
        assert_eq!(request.encode().unwrap(), newer);
        assert_eq!(Request::decode(&newer), Ok(request));

        let enrolled = Answer::Enrolled(Enrolled {
            node: 7,
            cluster_name: "s".into(),
            certificate: vec![1],
            authorities: vec![vec![2]],
            seal_key: [3; 32],
            nodes: vec![(1, "a".into())],
        });
        let expect = [&[1, 0, 7][..], b"\x01s", &[1, 1, 1, 1, 2], &[3; 32], &[1, 1, 1, b'a']].concat();
        assert_eq!(encode(&enrolled).unwrap(), expect);
        assert_eq!(decode::<Answer>(&expect), Ok(enrolled));

        let refused = Answer::Refused { code: "c".into(), detail: "d".into() };
        assert_eq!(encode(&refused).unwrap(), b"\x01\x01\x01c\x01d");
        let unavailable = Answer::Unavailable { detail: "d".into() };
        assert_eq!(encode(&unavailable).unwrap(), b"\x01\x02\x01d");
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(Request::decode(&[3, 0]), Err(MessageError::OtherVersion(3)));
        assert_eq!(Request::decode(&[]), Err(MessageError::Damaged));
        assert_eq!(Request::decode(&[1; 70]), Err(MessageError::Damaged));
        assert_eq!(Request::decode(&[2, 0]), Err(MessageError::Damaged));
        assert_eq!(decode::<Answer>(&[1, 9]), Err(MessageError::Damaged));
    }
}
