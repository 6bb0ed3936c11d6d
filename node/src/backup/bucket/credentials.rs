//! Who calls: a key and its secret from a file that only the node reads, in the form in which the AWS tools keep it.

use zeroize::Zeroizing;

use crate::backup::error::BackupError;
use crate::config::SecretFile;

/// `aws_access_key_id = …`, `aws_secret_access_key = …`, and for temporary ones `aws_session_token = …`.
pub(super) struct Credentials {
    pub key_id: Zeroizing<String>,
    pub secret: Zeroizing<String>,
    pub session_token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Reads a file of one profile; comments and its heading are passed over.
    pub(super) fn read(file: &SecretFile) -> Result<Credentials, BackupError> {
        let bytes = file.read().map_err(BackupError::Credentials)?;
        let shape = |detail| BackupError::CredentialsShape { file: file.to_string(), detail };
        let text = std::str::from_utf8(&bytes).map_err(|_| shape("it is not text"))?;
        Credentials::parse(text).map_err(shape)
    }

    fn parse(text: &str) -> Result<Credentials, &'static str> {
        let (mut key_id, mut secret, mut session_token, mut profiles) = (None, None, None, 0);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                profiles += 1;
                continue;
            }
            // A line that is not understood is not shown: it may be the secret.
            let (name, value) = line.split_once('=').ok_or("a line is not `name = value`")?;
            let value = value.trim();
            let slot = match name.trim() {
                "aws_access_key_id" => &mut key_id,
                "aws_secret_access_key" => &mut secret,
                "aws_session_token" => &mut session_token,
                _ => return Err("it sets something else than credentials"),
            };
            let sendable = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            if !sendable || slot.replace(Zeroizing::new(value.to_owned())).is_some() {
                return Err("a value is empty, set twice, or holds what no credential does");
            }
        }
        if profiles > 1 {
            return Err("it has several profiles: leave one");
        }
        let key_id = key_id.ok_or("aws_access_key_id is missing")?;
        let secret = secret.ok_or("aws_secret_access_key is missing")?;
        Ok(Credentials { key_id, secret, session_token })
    }
}

#[cfg(test)]
mod tests {
    use super::Credentials;

    #[test]
    fn a_file_of_one_profile() {
        let text = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s/e+c==\n";
        let read = Credentials::parse(text).unwrap();
        assert_eq!((read.key_id.as_str(), read.secret.as_str()), ("AKIA1", "s/e+c=="));
        assert!(read.session_token.is_none());
        let read = Credentials::parse(&format!("{text}aws_session_token = t\n")).unwrap();
        assert_eq!(read.session_token.unwrap().as_str(), "t");
    }

    #[test]
    fn anything_else_is_refused_without_showing_it() {
        let good = "aws_access_key_id = AKIA1\naws_secret_access_key = canary\n";
        for bad in [
            "",
            "canary\n",
            "aws_access_key_id = AKIA1\n",
            "aws_secret_access_key = canary\n",
            &format!("{good}region = x\n"),
            &format!("{good}{good}"),
            &format!("[a]\n{good}[b]\n"),
            "aws_access_key_id = AKIA1\naws_secret_access_key =\n",
            "aws_access_key_id = AKIA1\naws_secret_access_key = can ary\n",
        ] {
            let refused = Credentials::parse(bad).err().unwrap_or_else(|| panic!("{bad:?}"));
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
