//! `DIR/peers.toml`: where this node's peers were when it heard of them last. A node that starts with an old log finds
//! the others by it; the replicated records are the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data_dir::{DataDirError, write_private};

const FILE: &str = "peers.toml";
/// More than this is no file of ours.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The file in one directory.
#[derive(Debug, Clone)]
pub struct PeersFile(PathBuf);

#[derive(Serialize, Deserialize)]
struct Content {
    /// Addresses by node id, which TOML wants as text.
    #[serde(default)]
    peers: BTreeMap<String, String>,
}

impl PeersFile {
    pub fn within(root: &Path) -> PeersFile {
        PeersFile(root.join(FILE))
    }

    /// The addresses by node id. A file that is missing or damaged is no obstacle: they are learned again.
    pub fn read(&self) -> BTreeMap<u64, String> {
        let fits = std::fs::metadata(&self.0).is_ok_and(|metadata| metadata.len() <= MAX_FILE_BYTES);
        let text = fits.then(|| std::fs::read_to_string(&self.0).ok()).flatten().unwrap_or_default();
        let content = toml::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(file = %self.0.display(), error = %error, "not readable, and not needed");
            Content { peers: BTreeMap::new() }
        });
        let numbered = |(id, address): (String, String)| Some((id.parse().ok()?, address));
        content.peers.into_iter().filter_map(numbered).collect()
    }

    /// # Errors
    /// When the file cannot be made durable.
    pub fn write(&self, peers: &BTreeMap<u64, String>) -> Result<(), DataDirError> {
        let mut text = "# Where this node's peers were last. Written by the node.\n[peers]\n".to_owned();
        for (id, address) in peers {
            text.push_str(&format!("{id} = {}\n", toml::Value::from(address.as_str())));
        }
        write_private(&self.0, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{FILE, PeersFile};

    #[test]
    fn it_is_read_back_and_may_be_missing() {
        let home = tempfile::tempdir().unwrap();
        let file = PeersFile::within(home.path());
        assert_eq!(file.read(), BTreeMap::new());
        let peers = BTreeMap::from([(1, "10.0.0.1:7080".to_owned()), (22, "[::1]:7080".to_owned())]);
        file.write(&peers).unwrap();
        assert_eq!(file.read(), peers);
        std::fs::write(home.path().join(FILE), "x").unwrap();
        assert_eq!(file.read(), BTreeMap::new());
    }
}
