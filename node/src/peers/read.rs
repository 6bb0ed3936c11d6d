//! A read that another node answers in this one's place: one hop, at most once.
//!
//! These bytes are a contract between nodes of different versions; the tests below pin them. A node that does not know
//! them refuses the question, and whoever asked answers by itself.
//!
//! ```text
//! question  version u8 = 1 | remaining ms u32 BE | least index u64 BE | request id 16 bytes
//!           | address: 4 and 4 bytes, or 6 and 16 bytes | target u16 BE and bytes | fields
//! answer    version u8 = 1 | load u16 BE | status u16 BE | fields | body
//! fields    count u16 BE, then each: name u16 BE and bytes, value u16 BE and bytes
//! ```
//!
//! The target is path and query of a GET. The least index is what the asking node has applied: nobody who asks it sees
//! an older state because another node answers.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use net::{NetError, NodeId};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Peers, kind};

const VERSION: u8 = 1;
/// The most that an answer may have in its body. More is answered by the node that was asked: what nodes say to each
/// other about the log must not wait behind it.
pub const MOST_ANSWER_BYTES: usize = 1024 * 1024;

/// Header fields, in order.
pub type Fields = Vec<(Bytes, Bytes)>;

/// A read as it is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadQuestion {
    /// What is left of its deadline.
    pub remaining: Duration,
    pub least_index: u64,
    pub request: [u8; 16],
    /// Whose request it is.
    pub address: IpAddr,
    pub target: Bytes,
    pub fields: Fields,
}

/// What another node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAnswer {
    /// How busy that node is, in thousandths of what it takes at once.
    pub load_per_mille: u16,
    pub status: u16,
    pub fields: Fields,
    pub body: Bytes,
}

/// Why another node has not answered a read. Reads do no harm: it can be answered here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    #[error("no answer in time")]
    Late,
    /// It lives and says that it will not: it is older, or has too much to do.
    #[error("refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

/// Answers reads of other nodes. `Err` says why not.
pub(super) type AnswerReads =
    Box<dyn Fn(ReadQuestion) -> BoxFuture<'static, Result<ReadAnswer, String>> + Send + Sync>;

impl Peers {
    /// Who answers reads of other nodes from now on, on `runtime`: the network's own must not be kept busy by them. The
    /// first one told stays.
    pub fn answer_reads<F>(&self, runtime: Handle, answer: F)
    where
        F: Fn(ReadQuestion) -> BoxFuture<'static, Result<ReadAnswer, String>> + Send + Sync + 'static,
    {
        let answer = move |question| {
            let task = runtime.spawn(answer(question));
            Box::pin(async move {
                task.await.unwrap_or_else(|error| Err(format!("the read did not end: {error}")))
            }) as BoxFuture<'static, _>
        };
        // An error means that it was told before.
        let _ = self.0.answer_reads.set(Box::new(answer));
    }

    /// Has `node` answer a read, at most until `deadline`.
    ///
    /// # Errors
    /// See [`NotRead`].
    pub async fn read(
        &self,
        node: NodeId,
        question: &ReadQuestion,
        deadline: Instant,
    ) -> Result<ReadAnswer, NotRead> {
        let question = question.encode().ok_or_else(|| NotRead::Refused("it does not fit".to_owned()))?;
        let answer = self.call(node, kind::READ, question, deadline).await.map_err(|error| match error {
            NetError::Timeout { .. } => NotRead::Late,
            NetError::Refused { why, .. } => NotRead::Refused(why),
            error => NotRead::Failed(error.to_string()),
        })?;
        let answer = ReadAnswer::decode(answer)
            .ok_or_else(|| NotRead::Refused("an answer of no form that is known here".to_owned()))?;
        self.0.heard.note_load(node, u32::from(answer.load_per_mille));
        Ok(answer)
    }
}

impl ReadQuestion {
    /// `None` when something in it is longer than the form allows.
    fn encode(&self) -> Option<Bytes> {
        let mut out = BytesMut::with_capacity(64 + self.target.len());
        out.put_u8(VERSION);
        out.put_u32(u32::try_from(self.remaining.as_millis()).unwrap_or(u32::MAX));
        out.put_u64(self.least_index);
        out.put_slice(&self.request);
        match self.address {
            IpAddr::V4(address) => {
                out.put_u8(4);
                out.put_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put_u8(6);
                out.put_slice(&address.octets());
            }
        }
        put_bytes(&mut out, &self.target)?;
        put_fields(&mut out, &self.fields)?;
        Some(out.freeze())
    }

    /// `Err` says what is wrong with the bytes.
    pub(super) fn decode(body: Bytes) -> Result<ReadQuestion, String> {
        match body.first() {
            Some(&VERSION) => {}
            version => return Err(format!("a read of version {version:?}: this node knows {VERSION}")),
        }
        Self::decode_first(body).ok_or_else(|| "a read that ends early, or goes on behind its end".to_owned())
    }

    fn decode_first(mut body: Bytes) -> Option<ReadQuestion> {
        body.advance(1);
        let remaining = Duration::from_millis(u64::from(body.try_get_u32().ok()?));
        let least_index = body.try_get_u64().ok()?;
        let request = body.try_get_u128().ok()?.to_be_bytes();
        let address = match body.try_get_u8().ok()? {
            4 => IpAddr::from(body.try_get_u32().ok()?.to_be_bytes()),
            6 => IpAddr::from(body.try_get_u128().ok()?.to_be_bytes()),
            _ => return None,
        };
        let target = take_bytes(&mut body)?;
        let fields = take_fields(&mut body)?;
        let question = ReadQuestion { remaining, least_index, request, address, target, fields };
        body.is_empty().then_some(question)
    }
}

impl ReadAnswer {
    /// `None` when something in it is longer than the form allows.
    pub(super) fn encode(&self) -> Option<Bytes> {
        let mut out = BytesMut::with_capacity(256 + self.body.len());
        out.put_u8(VERSION);
        out.put_u16(self.load_per_mille);
        out.put_u16(self.status);
        put_fields(&mut out, &self.fields)?;
        out.put_slice(&self.body);
        (self.body.len() <= MOST_ANSWER_BYTES).then(|| out.freeze())
    }

    fn decode(mut body: Bytes) -> Option<ReadAnswer> {
        if body.try_get_u8().ok()? != VERSION {
            return None;
        }
        let (load_per_mille, status) = (body.try_get_u16().ok()?, body.try_get_u16().ok()?);
        let fields = take_fields(&mut body)?;
        Some(ReadAnswer { load_per_mille, status, fields, body })
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) -> Option<()> {
    out.put_u16(bytes.len().try_into().ok()?);
    out.put_slice(bytes);
    Some(())
}

fn put_fields(out: &mut BytesMut, fields: &Fields) -> Option<()> {
    out.put_u16(fields.len().try_into().ok()?);
    fields.iter().try_for_each(|(name, value)| {
        put_bytes(out, name)?;
        put_bytes(out, value)
    })
}

fn take_bytes(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(body.try_get_u16().ok()?);
    (length <= body.len()).then(|| body.split_to(length))
}

fn take_fields(body: &mut Bytes) -> Option<Fields> {
    let count = body.try_get_u16().ok()?;
    (0..count).map(|_| Some((take_bytes(body)?, take_bytes(body)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{ReadAnswer, ReadQuestion};

    #[test]
    fn the_bytes_of_a_question_are_pinned() {
        let question = |address: &str| ReadQuestion {
            remaining: Duration::from_millis(258),
            least_index: 3,
            request: [7; 16],
            address: address.parse().unwrap(),
            target: Bytes::from_static(b"/a?b"),
            fields: vec![(Bytes::from_static(b"n"), Bytes::from_static(b"vw"))],
        };
        let head = [&[1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3][..], &[7; 16]].concat();
        let tail = [0, 4, b'/', b'a', b'?', b'b', 0, 1, 0, 1, b'n', 0, 2, b'v', b'w'];
        let check = |address: &str, middle: &[u8]| {
            let bytes = [&head[..], middle, &tail].concat();
            assert_eq!(question(address).encode().unwrap(), bytes);
            assert_eq!(ReadQuestion::decode(bytes.clone().into()), Ok(question(address)));
            for end in 0..bytes.len() {
                assert!(ReadQuestion::decode(bytes[..end].to_vec().into()).is_err(), "{end}");
            }
            assert!(ReadQuestion::decode([&bytes[..], &[0]].concat().into()).is_err());
        };
        check("192.0.2.1", &[4, 192, 0, 2, 1]);
        check("::2", &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert!(ReadQuestion::decode(Bytes::from_static(&[2])).unwrap_err().contains("version"));
    }

    #[test]
    fn the_bytes_of_an_answer_are_pinned() {
        let answer = ReadAnswer {
            load_per_mille: 258,
            status: 200,
            fields: vec![(Bytes::from_static(b"n"), Bytes::new())],
            body: Bytes::from_static(b"{}"),
        };
        let bytes = [1, 1, 2, 0, 200, 0, 1, 0, 1, b'n', 0, 0, b'{', b'}'];
        assert_eq!(answer.encode().unwrap().as_ref(), bytes);
        assert_eq!(ReadAnswer::decode(Bytes::copy_from_slice(&bytes)), Some(answer));
        assert_eq!(ReadAnswer::decode(Bytes::from_static(&[2])), None);
        assert_eq!(ReadAnswer::decode(Bytes::from_static(&[1, 0, 0, 0, 200, 0, 1])), None);
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let field = (Bytes::from_static(b"n"), Bytes::from(vec![b'v'; 70_000]));
        let answer = ReadAnswer { load_per_mille: 0, status: 200, fields: vec![field], body: Bytes::new() };
        assert_eq!(answer.encode(), None);
        let body = Bytes::from(vec![0; super::MOST_ANSWER_BYTES + 1]);
        assert_eq!(ReadAnswer { fields: Vec::new(), body, ..answer }.encode(), None);
    }
}
