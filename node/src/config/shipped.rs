//! Setting single values in a configuration's text, so that its comments and everything else in it stay.

/// The default configuration, every key with its comment.
pub const SHIPPED: &str = include_str!("../../../packaging/shopnode.toml");

/// The text with the values of `settings` (dotted key, TOML value) in the lines that set them.
///
/// # Errors
/// The first key that has no line of its own in the text.
pub fn text_with(text: &str, settings: &[(&str, toml::Value)]) -> Result<String, String> {
    let mut text = text.to_owned();
    for (key, value) in settings {
        text = set(&text, key, value).ok_or_else(|| format!("no line sets {key}"))?;
    }
    Ok(text)
}

/// Replaces the one line that sets `key`.
fn set(text: &str, key: &str, value: &toml::Value) -> Option<String> {
    let (section, name) = key.rsplit_once('.')?;
    let (heading, setting) = (format!("[{section}]"), format!("{name} = "));
    let at = text.lines().position(|line| line == heading)?;
    let below = text.lines().skip(at + 1).position(|line| line.starts_with(&setting))?;
    let in_section = text.lines().skip(at + 1).take(below).all(|line| !line.starts_with('['));
    let lines = text.lines().enumerate().map(|(number, line)| {
        if number == at + 1 + below { format!("{setting}{value}\n") } else { format!("{line}\n") }
    });
    in_section.then(|| lines.collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::Value;

    use super::{SHIPPED, text_with};
    use crate::config::Config;

    #[test]
    fn what_is_set_is_set_and_all_else_stays() {
        let settings = [
            ("http.listen", Value::from("[::1]:9")),
            ("cluster.name", Value::from("Ada's \"tea\" shop")),
            ("payments.sandbox.enabled", Value::from(false)),
            ("rate_limit.order.burst", Value::from(3)),
        ];
        let text = text_with(SHIPPED, &settings).unwrap();
        let mut expected = Config::default();
        expected.http.listen = "[::1]:9".parse().unwrap();
        expected.cluster.name = "Ada's \"tea\" shop".to_owned();
        expected.rate_limit.order.burst = 3;
        assert_eq!(Config::parse(&text, Path::new("x"), []).unwrap(), expected);
        assert_eq!(text.lines().count(), SHIPPED.lines().count());
    }

    #[test]
    fn a_key_is_looked_for_in_its_section_only() {
        assert_eq!(text_with(SHIPPED, &[]).unwrap(), SHIPPED);
        for key in ["http.burst", "http.nothing", "nothing.listen", "listen", "payments.key_file"] {
            assert!(text_with(SHIPPED, &[(key, Value::from("x"))]).is_err(), "{key}");
        }
    }
}
