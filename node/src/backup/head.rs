//! The part of a backup in the clear: what it is, and how its key is made.

use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};

use super::error::BackupError;
use super::manifest::{Manifest, VERSION};
use super::passphrase::{CHECK_BYTES, SALT_BYTES, Strength};

const MAGIC: &[u8; 8] = b"shopbkup";
/// argon2id, version 0x13.
const KDF: u8 = 1;
const PREFIX_BYTES: usize = 7;
const HASH_BYTES: usize = 32;
/// A manifest has a line for each table, of which there are at most 224.
const MAX_MANIFEST_BYTES: usize = 64 * 1024;
/// More than any head has.
pub(super) const MAX_HEAD_BYTES: usize = MAX_MANIFEST_BYTES + 1024;
/// All that follows the manifest.
const TAIL_BYTES: usize = 1 + 3 * 4 + SALT_BYTES + PREFIX_BYTES + CHECK_BYTES + HASH_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub manifest: Manifest,
    pub strength: Strength,
    pub salt: [u8; SALT_BYTES],
    pub nonce_prefix: [u8; PREFIX_BYTES],
    pub key_check: [u8; CHECK_BYTES],
}

/// The SHA-256 of a head: what binds chunks to it.
pub(super) type HeadHash = [u8; HASH_BYTES];

impl Head {
    /// The bytes, and their hash.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, HeadHash), BackupError> {
        let manifest = serde_json::to_vec(&self.manifest).map_err(|_| BackupError::Crypto)?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&(manifest.len() as u32).to_be_bytes());
        out.extend_from_slice(&manifest);
        out.push(KDF);
        for number in [self.strength.memory_kib, self.strength.passes, self.strength.lanes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.nonce_prefix);
        out.extend_from_slice(&self.key_check);
        let hash = hash(&out);
        out.extend_from_slice(&hash);
        Ok((out, hash))
    }

    /// Reads a head; `what` names the file in errors.
    pub(super) fn read(from: &mut impl Read, what: &str) -> Result<(Head, HeadHash), BackupError> {
        let mut seen = vec![0; MAGIC.len()];
        from.read_exact(&mut seen).map_err(|_| BackupError::NotABackup(what.to_owned()))?;
        if seen != MAGIC {
            return Err(BackupError::NotABackup(what.to_owned()));
        }
        let cut_off = |_| BackupError::Truncated(what.to_owned());
        let mut numbers = [0; 6];
        from.read_exact(&mut numbers).map_err(cut_off)?;
        let [v0, v1, l0, l1, l2, l3] = numbers;
        let version = u16::from_be_bytes([v0, v1]);
        if version != VERSION {
            let found = u32::from(version);
            return Err(BackupError::Version { what: what.to_owned(), found, known: u32::from(VERSION) });
        }
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_MANIFEST_BYTES {
            return Err(BackupError::damaged(what, "its manifest is too long"));
        }
        seen.extend_from_slice(&numbers);
        let start = seen.len();
        seen.resize(start + length + TAIL_BYTES, 0);
        from.read_exact(&mut seen[start..]).map_err(cut_off)?;
        let (rest, told) = seen.split_at(seen.len() - HASH_BYTES);
        let hash = hash(rest);
        if hash != told {
            return Err(BackupError::damaged(what, "its head fails its checksum"));
        }
        let manifest = serde_json::from_slice(&rest[start..start + length])
            .map_err(|error| BackupError::damaged(what, format!("its manifest cannot be read: {error}")))?;
        let head = Head::parse(manifest, &rest[start + length..])
            .ok_or_else(|| BackupError::damaged(what, "its head cannot be read"))?;
        Ok((head, hash))
    }

    fn parse(manifest: Manifest, tail: &[u8]) -> Option<Head> {
        let (&kdf, rest) = tail.split_first()?;
        let (&memory, rest) = rest.split_first_chunk()?;
        let (&passes, rest) = rest.split_first_chunk()?;
        let (&lanes, rest) = rest.split_first_chunk()?;
        let (&salt, rest) = rest.split_first_chunk()?;
        let (&nonce_prefix, rest) = rest.split_first_chunk()?;
        let key_check = rest.try_into().ok()?;
        let strength = Strength {
            memory_kib: u32::from_be_bytes(memory),
            passes: u32::from_be_bytes(passes),
            lanes: u32::from_be_bytes(lanes),
        };
        let head = Head { manifest, strength, salt, nonce_prefix, key_check };
        (kdf == KDF && strength.is_bounded()).then_some(head)
    }
}

fn hash(bytes: &[u8]) -> HeadHash {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Head, Manifest, Strength};

    /// Backups lie for years: a change here is a new version.
    #[test]
    fn golden_bytes() {
        let manifest = Manifest {
            cluster: "shop".to_owned(),
            cluster_id: String::new(),
            node: 1,
            index: 7,
            active_version: 1,
            records: 2,
            digest: "0a".to_owned(),
            tables: BTreeMap::from([("20".to_owned(), "0b".to_owned())]),
            created_at: "2027-01-31T00:00:00Z".to_owned(),
            shopnode: "0.1.0".to_owned(),
        };
        let strength = Strength { memory_kib: 8, passes: 1, lanes: 1 };
        let head = Head { manifest, strength, salt: [1; 16], nonce_prefix: [2; 7], key_check: [3; 16] };
        let (bytes, hash) = head.encode().unwrap();
        assert_eq!(&bytes[..14], b"shopbkup\0\x01\0\0\0\xae");
        let json = br#"{"cluster":"shop","cluster_id":"","node":1,"index":7,"active_version":1,"records":2,"digest":"0a","tables":{"20":"0b"},"created_at":"2027-01-31T00:00:00Z","shopnode":"0.1.0"}"#;
        assert_eq!(&bytes[14..14 + json.len()], json);
        let tail =
            [&[1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 1][..], &[1; 16], &[2; 7], &[3; 16], &hash].concat();
        assert_eq!(&bytes[14 + json.len()..], tail);
        assert_eq!(Head::read(&mut bytes.as_slice(), "x").unwrap(), (head, hash));
        for end in 0..bytes.len() {
            assert!(Head::read(&mut &bytes[..end], "x").is_err(), "{end}");
        }
    }
}
