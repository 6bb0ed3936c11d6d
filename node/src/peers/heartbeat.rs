//! Telling the leader that a consumer lives.
//!
//! ```text
//! question  version u8 = 1 | length of the group's name u8 | the name | length of the member's name u8 | the name
//! answer    version u8 = 1 | 0: heard, 1: this node does not lead
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::{NetError, NodeId};
use tokio::time::Instant;

use super::{HearHeartbeat, Peers, kind};

const VERSION: u8 = 1;

impl Peers {
    /// Calls `hear` with group and member when another node passes a heartbeat on; it says whether this node leads. The
    /// first one told stays.
    pub fn hear_heartbeat(&self, hear: impl Fn(&str, &str) -> bool + Send + Sync + 'static) {
        // An error means that it was told before.
        let _ = self.0.hear_heartbeat.set(Box::new(hear));
    }

    /// Passes a heartbeat on to `leader`; whether it leads.
    ///
    /// # Errors
    /// When it does not answer, or is of a version that does not know the question.
    pub async fn heartbeat(
        &self,
        leader: NodeId,
        group: &str,
        member: &str,
        deadline: Instant,
    ) -> Result<bool, NetError> {
        let unfit = || NetError::BadFrame("a name of more than 255 bytes".to_owned());
        let question = question(group, member).ok_or_else(unfit)?;
        let answer = self.call(leader, kind::HEARTBEAT, question, deadline).await?;
        match answer.as_ref() {
            [VERSION, heard, ..] => Ok(*heard == 0),
            _ => Err(NetError::BadFrame(
                "an answer to a heartbeat of a form that is not known here".to_owned(),
            )),
        }
    }
}

fn question(group: &str, member: &str) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(3 + group.len() + member.len());
    out.put_u8(VERSION);
    for name in [group, member] {
        out.put_u8(name.len().try_into().ok()?);
        out.put_slice(name.as_bytes());
    }
    Some(out.freeze())
}

/// The answer to the question `body`.
pub(super) fn answer(hear: Option<&HearHeartbeat>, mut body: Bytes) -> Result<Bytes, String> {
    let strange = || "a heartbeat of a form that is not known here".to_owned();
    if body.try_get_u8() != Ok(VERSION) {
        return Err(strange());
    }
    let group = name(&mut body).ok_or_else(strange)?;
    let member = name(&mut body).ok_or_else(strange)?;
    let hear = hear.ok_or_else(|| "this node is starting".to_owned())?;
    Ok(Bytes::copy_from_slice(&[VERSION, u8::from(!hear(&group, &member))]))
}

fn name(body: &mut Bytes) -> Option<String> {
    let length = usize::from(body.try_get_u8().ok()?);
    let name = (body.len() >= length).then(|| body.split_to(length))?;
    String::from_utf8(name.into()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;

    use super::{answer, question};
    use crate::peers::HearHeartbeat;

    #[test]
    fn the_bytes_are_pinned() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hear: HearHeartbeat = Box::new({
            let heard = heard.clone();
            move |group, member| {
                heard.lock().unwrap().push(format!("{group}/{member}"));
                member == "a"
            }
        });
        let bytes = question("erp", "a").unwrap();
        assert_eq!(bytes.as_ref(), b"\x01\x03erp\x01a");
        assert_eq!(answer(Some(&hear), bytes.clone()).unwrap().as_ref(), [1, 0]);
        assert_eq!(answer(Some(&hear), question("erp", "b").unwrap()).unwrap().as_ref(), [1, 1]);
        assert_eq!(*heard.lock().unwrap(), ["erp/a", "erp/b"]);
        assert!(answer(None, bytes).is_err());
        for strange in [&b""[..], b"\x02\x01g\x01a", b"\x01\x05g\x01a", b"\x01\x01g", b"\x01\x01\xff\x01a"] {
            assert!(answer(Some(&hear), Bytes::copy_from_slice(strange)).is_err(), "{strange:?}");
        }
        assert_eq!(heard.lock().unwrap().len(), 2);
        assert!(question(&"g".repeat(256), "a").is_none());
    }
}
