use std::path::Path;
use std::time::Duration;

use super::{Config, ConfigError, LogFormat, RaftProfile, SHIPPED, document::known_keys};

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| (String::from(*name), String::from(*value)));
    Config::parse(text, Path::new("shop.toml"), variables)
}

/// The text must be refused, and the message must say each of `expect`.
fn refused(text: &str, variables: &[(&str, &str)], expect: &[&str]) {
    let message = load(text, variables).expect_err(text).to_string();
    for part in expect {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn the_shipped_file_holds_exactly_the_defaults() {
    assert_eq!(load(SHIPPED, &[]).unwrap(), Config::default());
    assert_eq!(load("", &[]).unwrap(), Config::default());
}

#[test]
fn the_shipped_file_sets_and_explains_every_key() {
    let shipped: toml::Table = SHIPPED.parse().unwrap();
    for key in known_keys().unwrap().keys() {
        let (section, name) = key.rsplit_once('.').unwrap();
        let table = section.split('.').fold(&shipped, |table, part| table[part].as_table().unwrap());
        assert!(table.contains_key(name), "{key} is missing");

        let heading = format!("\n[{section}]\n");
        let start = SHIPPED.find(&heading).unwrap() + heading.len();
        let body = &SHIPPED[start..];
        let body = &body[..body.find("\n[").unwrap_or(body.len())];
        // The comment may stand over a group of keys, so only blank lines end its reach.
        let explained = body
            .split("\n\n")
            .find(|group| group.lines().any(|line| line.starts_with(&format!("{name} ="))))
            .is_some_and(|group| group.trim_start().starts_with('#'));
        assert!(explained, "{key} has no comment above it");
    }
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_name() {
    refused(
        "[http]\nlisten = \"127.0.0.1:1\"\n\n[htpp]\nlisten = \"127.0.0.1:2\"\n",
        &[],
        &["shop.toml:5: unknown key `htpp.listen`, did you mean `http.listen`?"],
    );
    refused("[rate_limit.order]\nper_minut = 1\n", &[], &["shop.toml:2", "rate_limit.order.per_minute"]);
    refused("qqq = 1\n", &[], &["shop.toml:1: unknown key `qqq`"]);
    // All of them, in one go.
    refused("[mail]\nform = \"\"\n[raft]\nprofil = \"lan\"\n", &[], &["`mail.from`", "`raft.profile`"]);
}

#[test]
fn a_wrong_type_is_told_with_key_and_line() {
    refused("\n[http]\nconnections = \"many\"\n", &[], &["shop.toml:3: `http.connections`", "string"]);
    refused("[http]\nlisten = { port = 1 }\n", &[], &["shop.toml", "`http.listen`"]);
    refused("http = 1\n", &[], &["shop.toml:1: `http`"]);
    refused("[raft]\nprofile = \"lann\"\n", &[], &["`raft.profile`", "`lan`"]);
    refused("[http]\ntrusted_proxies = [\"10.0.0.0/99\"]\n", &[], &["shop.toml:2", "10.0.0.0/99"]);
    refused("[http\n", &[], &["not TOML"]);
}

#[test]
fn a_value_out_of_range_is_told_with_what_is_allowed() {
    refused(
        "[http]\nbody_limit_bytes = 1\nheader_limit_count = 5000\n",
        &[],
        &[
            "shop.toml:2: `http.body_limit_bytes` is 1, allowed is 1024 to 16777216",
            "shop.toml:3: `http.header_limit_count` is 5000",
        ],
    );
    refused("[telemetry]\nsample_ratio = 1.5\n", &[], &["allowed is 0 to 1"]);
    refused("[telemetry]\nlog_filter = \"shopnode=loud\"\n", &[], &["`telemetry.log_filter`"]);
    refused("[payments.sandbox]\nenabled = true\n", &[], &["payments.sandbox.base_url", "key_file"]);
    refused("[payments.stripe]\nkey_file = \"k\"\n", &[], &["payments.stripe.webhook_secret_file"]);
    refused(
        "[payments.stripe]\nbase_url = \"https://key@api.stripe.com\"\n",
        &[],
        &["secrets belong in a file"],
    );
    refused("[mail]\nsmtp_url = \"http://mail\"\n", &[], &["smtp://HOST:PORT"]);
    refused(
        "[mail]\nsmtp_user = \"shop\"\nsmtp_password_file = \"p\"\nsmtp_tls = \"none\"\n",
        &[],
        &["plain text"],
    );
    refused("[mail]\nfrom = \"nobody\"\n", &[], &["`mail.from`"]);
    refused("[sms]\naccount = \"AC1\"\n", &[], &["sms.token_file", "sms.messaging_service"]);
    refused("[sms]\ntoken_file = \"t\"\n", &[], &["`sms.account`"]);
    refused(
        "[sms]\naccount = \"AC/1\"\ntoken_file = \"t\"\nfrom = \"x\"\nbase_url = \"\"\n",
        &[],
        &["an account's id", "`sms.base_url`"],
    );
    let both = "[sms]\naccount = \"A\"\ntoken_file = \"t\"\nfrom = \"x\"\nmessaging_service = \"y\"\n";
    refused(both, &[], &["and not both"]);
    refused("[sms]\ntimeout_ms = 60000\nfrm = \"x\"\n", &[], &["`sms.from`"]);
    refused("[sms]\ntimeout_ms = 60000\n", &[], &["allowed is 100 to 30000"]);
}

#[test]
fn the_environment_has_the_last_word() {
    let config = load(
        "[http]\nlisten = \"127.0.0.1:1\"\n[telemetry]\notlp_endpoint = \"http://collector:4318\"\n",
        &[
            ("SHOPNODE_HTTP__LISTEN", "[::1]:9"),
            ("SHOPNODE_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("SHOPNODE_TELEMETRY__OTLP_ENDPOINT", ""),
            ("SHOPNODE_TELEMETRY__LOG_FORMAT", "json"),
            ("SHOPNODE_TELEMETRY__SAMPLE_RATIO", "0.25"),
            ("SHOPNODE_RATE_LIMIT__ORDER__BURST", "3"),
            ("SHOPNODE_WORKERS__ENABLED", "false"),
            ("SHOPNODE_RAFT__PROFILE", "fast"),
            ("SHOPNODE_PORT", "tcp://10.0.0.1:80"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen, "[::1]:9".parse().unwrap());
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert_eq!(config.telemetry.otlp_endpoint, None);
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert!((config.telemetry.sample_ratio - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.rate_limit.order.burst, 3);
    assert!(!config.workers.enabled);
    assert_eq!(config.raft.profile, RaftProfile::Fast);
}

#[test]
fn a_variable_that_sets_nothing_is_refused() {
    refused(
        "",
        &[("SHOPNODE_HTPP__LISTEN", "127.0.0.1:1")],
        &["environment variable SHOPNODE_HTPP__LISTEN", "SHOPNODE_HTTP__LISTEN"],
    );
    refused("", &[("SHOPNODE_HTTP__CONNECTIONS", "many")], &["must be a whole number"]);
    refused(
        "",
        &[("SHOPNODE_HTTP__CONNECTIONS", "0")],
        &["environment variable SHOPNODE_HTTP__CONNECTIONS: `http.connections` is 0, allowed is 1 to 65536"],
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let error = Config::load(Path::new("/no/such/shop.toml"), []).unwrap_err();
    assert_eq!(error.code(), "config_unreadable");
    assert!(error.to_string().contains("/no/such/shop.toml"));
}

#[test]
fn the_public_url_has_no_slash_at_its_end() {
    let config = load("[http]\npublic_url = \"https://shop.example/\"\n", &[]).unwrap();
    assert_eq!(config.http.public_base(), "https://shop.example");
    assert_eq!(Config::default().http.public_base(), "http://127.0.0.1:8080");
    assert!(Duration::from_millis(config.http.drain_timeout_ms) <= Duration::from_secs(10));
}
