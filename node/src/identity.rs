//! Which node of its cluster a data directory is: `DIR/identity.toml`, written once.

use std::path::{Path, PathBuf};

use net::ClusterId;
use serde::{Deserialize, Serialize};

use crate::data_dir::{DataDirError, write_private};

const FILE: &str = "identity.toml";

/// The node's number. It comes from the log and is never given to another: a directory that was lost joins as a new
/// node, because the others count on this one's votes being remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub node: u64,
    /// The cluster. `None`: a first node that has none yet, as a directory of an earlier version or one that was
    /// restored from a backup; `run` then makes it.
    pub cluster: Option<ClusterId>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    node: u64,
    cluster: Option<String>,
}

/// Why the identity cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot read {}: {source}; a node's identity cannot be made up again: restore it from a backup", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{} is damaged: {message}", file.display())]
    Damaged { file: PathBuf, message: String },
    #[error(transparent)]
    Write(#[from] DataDirError),
}

impl Identity {
    /// The first node of a cluster.
    pub const FIRST: Identity = Identity { node: 1, cluster: None };

    /// # Errors
    /// When the file is missing or damaged.
    pub fn load(directory: &Path) -> Result<Identity, IdentityError> {
        let file = directory.join(FILE);
        let text = std::fs::read_to_string(&file)
            .map_err(|source| IdentityError::Unreadable { file: file.clone(), source })?;
        let damaged = |message: String| IdentityError::Damaged { file: file.clone(), message };
        let content: Content = toml::from_str(&text).map_err(|error| damaged(error.message().to_owned()))?;
        let cluster = content.cluster.map(|cluster| cluster.parse()).transpose();
        let cluster = cluster.map_err(|error: net::IdentityError| damaged(error.0))?;
        Ok(Identity { node: content.node, cluster })
    }

    /// # Errors
    /// When the file cannot be made durable.
    pub fn store(&self, directory: &Path) -> Result<(), IdentityError> {
        let mut text = format!(
            "# Which node of which cluster this directory is. Never change or copy it.\nnode = {}\n",
            self.node
        );
        if let Some(cluster) = self.cluster {
            text.push_str(&format!("cluster = \"{cluster}\"\n"));
        }
        Ok(write_private(&directory.join(FILE), text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::{FILE, Identity};

    #[test]
    fn it_is_read_back_and_never_made_up() {
        let home = tempfile::tempdir().unwrap();
        assert!(Identity::load(home.path()).is_err());
        for cluster in [None, Some(net::ClusterId([0xab; 16]))] {
            let identity = Identity { node: 7, cluster };
            identity.store(home.path()).unwrap();
            assert_eq!(Identity::load(home.path()).unwrap(), identity);
        }
        std::fs::write(home.path().join(FILE), "node = 7\ncluster = \"x\"\n").unwrap();
        assert!(Identity::load(home.path()).unwrap_err().to_string().contains("damaged"));
        std::fs::write(home.path().join(FILE), "node = 7\nvotes = 2\n").unwrap();
        assert!(Identity::load(home.path()).unwrap_err().to_string().contains("damaged"));
    }
}
