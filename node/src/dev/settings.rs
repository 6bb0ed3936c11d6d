//! The configuration of a development node: the shipped one, with what this machine has at the moment.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use toml::Value;

use super::home::Secrets;
use crate::config::{Config, SHIPPED, text_with};
use crate::data_dir::write_private;

/// The account at the catcher of text messages, and the number that texts are from.
pub const SMS_ACCOUNT: &str = "ACdev";
const SMS_FROM: &str = "+15005550006";

pub struct Settings<'a> {
    pub sandbox_url: String,
    pub smtp: SocketAddr,
    pub sms_url: String,
    pub secrets: &'a Secrets,
}

impl Settings<'_> {
    /// The text for a new node in `data`. All are on one host: they are told apart in logs and traces by what the directories are called.
    pub fn of_new(&self, data: &Path, http: SocketAddr, cluster: SocketAddr) -> Result<String> {
        let mut settings = self.of_this_start(http);
        if let Some(name) = data.file_name() {
            settings.push(("node.name", path(Path::new(name))));
        }
        settings.push(("cluster.listen", Value::from(cluster.to_string())));
        settings.push(("cluster.name", Value::from("dev")));
        settings.push(("payments.sandbox.enabled", Value::from(true)));
        settings.push(("payments.sandbox.key_file", path(&self.secrets.card_processor_file)));
        settings.push(("payments.sandbox.webhook_secret_file", path(&self.secrets.webhook_file)));
        settings.push(("mail.smtp_tls", Value::from("none")));
        settings.push(("sms.account", Value::from(SMS_ACCOUNT)));
        settings.push(("sms.token_file", path(&self.secrets.sms_file)));
        settings.push(("sms.from", Value::from(SMS_FROM)));
        text_with(SHIPPED, &settings).map_err(anyhow::Error::msg)
    }

    /// Tells an existing node where things are this time. Whatever else its owner has set stays.
    pub fn update(&self, data: &Path, http: SocketAddr) -> Result<()> {
        let file = data.join("config.toml");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut settings = self.of_this_start(http);
        // A directory of before there were text messages goes on without.
        if !text.lines().any(|line| line == "[sms]") {
            settings.retain(|(key, _)| !key.starts_with("sms."));
        }
        let text = text_with(&text, &settings)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("cannot set the ports of this start in {}", file.display()))?;
        Ok(write_private(&file, text.as_bytes())?)
    }

    fn of_this_start(&self, http: SocketAddr) -> Vec<(&'static str, Value)> {
        vec![
            ("http.listen", Value::from(http.to_string())),
            ("payments.sandbox.base_url", Value::from(self.sandbox_url.as_str())),
            ("mail.smtp_url", Value::from(format!("smtp://{}", self.smtp))),
            ("sms.base_url", Value::from(self.sms_url.as_str())),
        ]
    }
}

/// Where the node listens for others.
pub fn cluster_address(data: &Path) -> Result<String> {
    let config = Config::load(&data.join("config.toml"), std::env::vars())?;
    Ok(config.cluster.listen.to_string())
}

fn path(path: &Path) -> Value {
    Value::from(path.to_string_lossy().into_owned())
}
