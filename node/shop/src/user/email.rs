//! Mail addresses, brought into the one form in which they are stored and looked up.

/// The longest address, in bytes (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// Why a text is not a mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a mail address like ada@example.com, at most 254 bytes")]
pub struct ParseEmailError;

/// The normalised address: no spaces around it, all in lower case, because no provider that people use tells cases
/// apart. Lower case depends on Unicode's tables: done before a command is proposed, never in apply.
pub fn normalize_email(text: &str) -> Result<String, ParseEmailError> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@').ok_or(ParseEmailError)?;
    let label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty()
            && label.len() <= 63
            && !ends
            && label.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    // Quoted local parts are allowed by RFC 5321 and used by nobody but attackers.
    let special = |c: char| c.is_control() || c.is_whitespace() || "\"(),:;<>@[\\]".contains(c);
    let local_is_good = (1..=64).contains(&local.len()) && !dots && !local.contains(special);
    if email.len() > MAX_EMAIL_BYTES || !local_is_good || !domain.split('.').all(label) {
        return Err(ParseEmailError);
    }
    Ok(email)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::normalize_email;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(normalize_email(text).ok().as_deref(), expect, "{text:?}");
        };
        check(" Ada@Example.COM ", Some("ada@example.com"));
        check("a.b+c@mail.example.com", Some("a.b+c@mail.example.com"));
        check("root@localhost", Some("root@localhost"));
        check("jürgen@müller.example", Some("jürgen@müller.example"));
        for text in ["", "ada", "@x.y", "a@", "a@b..c", "a@-b.c", ".a@b.c", "a b@c.d", "a@b@c", "\"a\"@b.c"] {
            check(text, None);
        }
        check("a@b.c\r\nBcc: x@y.z", None);
        check(&format!("{}@b.c", "a".repeat(65)), None);
        check(&format!("a@{}", vec!["b".repeat(60); 5].join(".")), None);
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in any::<String>()) {
            if let Ok(email) = normalize_email(&text) {
                assert_eq!(normalize_email(&email), Ok(email));
            }
        }
    }
}
