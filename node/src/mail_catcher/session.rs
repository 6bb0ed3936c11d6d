//! The conversation of one SMTP connection, without the connection: a line in, a reply out.
//!
//! Source: RFC 5321.

/// Bytes of one mail.
pub(super) const MAX_MAIL_BYTES: usize = 1024 * 1024;
const MAX_RECIPIENTS: usize = 100;
const MAX_ADDRESS_BYTES: usize = 320;

/// What the server does with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Answer.
    Reply(&'static str),
    /// Answer, then read a mail up to the lone dot.
    ReadMail(&'static str),
    /// Answer and hang up.
    Close(&'static str),
}

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Session {
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

const EHLO: &str = "250-catcher\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n";
const ORDER: &str = "503 bad sequence of commands\r\n";

impl Session {
    /// Answers a command. `line` has no line ending.
    pub(super) fn command(&mut self, line: &str) -> Step {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.greet(EHLO),
            "HELO" => self.greet("250 catcher\r\n"),
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" if self.to.is_empty() => Step::Reply(ORDER),
            "DATA" => Step::ReadMail("354 end with a dot on a line of its own\r\n"),
            "RSET" => {
                self.forget();
                Step::Reply("250 forgotten\r\n")
            }
            "NOOP" => Step::Reply("250 here\r\n"),
            "VRFY" => Step::Reply("252 send it and see\r\n"),
            "QUIT" => Step::Close("221 bye\r\n"),
            _ => Step::Reply("502 command not implemented\r\n"),
        }
    }

    /// The envelope of the mail that was read; the conversation goes on with the next one.
    pub(super) fn take_envelope(&mut self) -> (String, Vec<String>) {
        (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to))
    }

    fn greet(&mut self, reply: &'static str) -> Step {
        self.greeted = true;
        self.forget();
        Step::Reply(reply)
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn mail(&mut self, rest: &str) -> Step {
        if !self.greeted || self.from.is_some() {
            return Step::Reply(ORDER);
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return Step::Reply("501 expected MAIL FROM:<address>\r\n");
        };
        let size =
            parameters.split(' ').find_map(|it| it.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > MAX_MAIL_BYTES) {
            return Step::Reply("552 too large\r\n");
        }
        self.from = Some(address.to_owned());
        Step::Reply("250 sender ok\r\n")
    }

    fn recipient(&mut self, rest: &str) -> Step {
        if self.from.is_none() {
            return Step::Reply(ORDER);
        }
        if self.to.len() >= MAX_RECIPIENTS {
            return Step::Reply("452 too many recipients\r\n");
        }
        match path(rest, "TO:") {
            Some((address, _)) if !address.is_empty() => {
                self.to.push(address.to_owned());
                Step::Reply("250 recipient ok\r\n")
            }
            _ => Step::Reply("501 expected RCPT TO:<address>\r\n"),
        }
    }
}

/// `FROM:<address> PARAMETERS`.
fn path<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let head = rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
    let (address, parameters) = rest[head.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    (address.len() <= MAX_ADDRESS_BYTES).then_some((address, parameters.trim()))
}

#[cfg(test)]
mod tests {
    use super::{Session, Step};

    #[test]
    fn a_conversation_keeps_its_order() {
        let mut session = Session::default();
        let mut check = |line: &str, expect: &str| {
            let reply = match session.command(line) {
                Step::Reply(reply) | Step::ReadMail(reply) | Step::Close(reply) => reply,
            };
            assert!(reply.starts_with(expect) && reply.ends_with("\r\n"), "{line}: {reply}");
        };
        check("MAIL FROM:<a@b>", "503");
        check("ehlo x", "250");
        check("RCPT TO:<a@b>", "503");
        check("DATA", "503");
        check("MAIL FROM:a@b", "501");
        check("MAIL FROM:<a@b> SIZE=2000000", "552");
        check("MAIL FROM:<a@b> BODY=8BITMIME SIZE=10", "250");
        check("MAIL FROM:<a@b>", "503");
        check("RCPT TO:<>", "501");
        check("RCPT grün", "501");
        check("RCPT to: <c@d>", "250");
        check("NOOP", "250");
        check("DATA", "354");
        check("RSET", "250");
        check("DATA", "503");
        check("STARTTLS", "502");
        check("", "502");
        check("QUIT", "221");
    }
}
