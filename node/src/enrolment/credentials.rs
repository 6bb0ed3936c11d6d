//! `DIR/secrets/{node.key, node.crt, ca.crt}`: the node's key, its certificate, and the authorities that it trusts. All
//! PEM, mode 0600. The key is made here and never leaves.

use std::io;
use std::path::{Path, PathBuf};

use net::{ClusterId, Identity, NodeKey};
use zeroize::Zeroizing;

use super::pem;
use crate::data_dir::{DataDirError, write_private};

const KEY: &str = "node.key";
const CERTIFICATE: &str = "node.crt";
const AUTHORITIES: &str = "ca.crt";
/// A file that is longer is none of these.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why the node's certificate or key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read {}: {source}; a node's key cannot be made up again: join as a new node", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} is damaged: {why}", file.display())]
    Damaged { file: PathBuf, why: String },
    #[error("a key cannot be made: {0}")]
    Key(#[from] net::IdentityError),
    #[error(transparent)]
    Write(#[from] DataDirError),
}

/// The files in one directory.
#[derive(Debug, Clone)]
pub struct Credentials {
    directory: PathBuf,
}

impl Credentials {
    /// Those in `secrets`.
    pub fn within(secrets: &Path) -> Credentials {
        Credentials { directory: secrets.to_path_buf() }
    }

    /// The node's key; made and kept if there is none yet.
    ///
    /// # Errors
    /// When it is damaged, or cannot be made durable.
    pub fn key(&self) -> Result<NodeKey, CredentialsError> {
        let file = self.directory.join(KEY);
        if !file.exists() {
            let key = NodeKey::generate()?;
            let der = Zeroizing::new(key.der());
            write_private(&file, pem::private_key(&der).as_bytes())?;
            return Ok(key);
        }
        let der = pem::read_private_key(&read(&file)?).map_err(|error| damaged(&file, error))?;
        NodeKey::from_der(&der).map_err(|error| damaged(&file, error))
    }

    /// Keeps a certificate and the authorities. The key is there already.
    ///
    /// # Errors
    /// When a file cannot be made durable.
    pub fn keep(&self, identity: &Identity) -> Result<(), CredentialsError> {
        let authorities = pem::certificates(identity.authorities().iter().map(AsRef::as_ref));
        write_private(&self.directory.join(AUTHORITIES), authorities.as_bytes())?;
        let certificate = pem::certificates([identity.certificate().as_ref()]);
        write_private(&self.directory.join(CERTIFICATE), certificate.as_bytes())?;
        Ok(())
    }

    /// What the node proves itself with. Whether the certificate holds still is not looked at.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of another node or cluster.
    pub fn load(&self, cluster: ClusterId, node: u64) -> Result<Identity, CredentialsError> {
        let (key_file, file) = (self.directory.join(KEY), self.directory.join(CERTIFICATE));
        let key = pem::read_private_key(&read(&key_file)?).map_err(|error| damaged(&key_file, error))?;
        let authorities = certificates(&self.directory.join(AUTHORITIES))?;
        let certificate = certificates(&file)?.into_iter().next();
        let certificate = certificate.ok_or_else(|| damaged(&file, "it has no certificate"))?;
        let identity = Identity::from_der(cluster, authorities, certificate, key.to_vec())
            .map_err(|error| damaged(&file, error))?;
        if identity.node() != node {
            let why = format!("it is node {}'s, this directory is node {node}'s", identity.node());
            return Err(damaged(&file, why));
        }
        Ok(identity)
    }
}

fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, CredentialsError> {
    pem::read_certificates(&read(file)?).map_err(|error| damaged(file, error))
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { file: file.to_path_buf(), source };
    if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(damaged(file, "it is too long"));
    }
    std::fs::read(file).map(Zeroizing::new).map_err(unreadable)
}

fn damaged(file: &Path, why: impl ToString) -> CredentialsError {
    CredentialsError::Damaged { file: file.to_path_buf(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use net::{Authority, ClusterId, Validity};

    use super::{Credentials, KEY};

    #[test]
    fn they_are_private_and_read_back() {
        let home = tempfile::tempdir().unwrap();
        let credentials = Credentials::within(home.path());
        let cluster = ClusterId([1; 16]);
        let validity = Validity::starting(1_800_000_000_000, Duration::from_secs(3_600));
        let authority = Authority::generate(cluster, validity).unwrap();
        let key = credentials.key().unwrap();
        assert_eq!(credentials.key().unwrap().sha256(), key.sha256(), "a key is made once");
        assert!(credentials.load(cluster, 7).is_err(), "there is no certificate yet");
        credentials.keep(&authority.identify(7, &key, validity).unwrap()).unwrap();
        let read = credentials.load(cluster, 7).unwrap();
        assert_eq!((read.node(), read.authorities()), (7, &[authority.certificate().clone()][..]));
        assert!(credentials.load(cluster, 8).unwrap_err().to_string().contains("node 7's"));
        assert!(credentials.load(ClusterId([2; 16]), 7).is_err());
        for file in home.path().read_dir().unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(home.path().join(KEY), "no key").unwrap();
        assert!(credentials.key().unwrap_err().to_string().contains("damaged"));
    }
}
