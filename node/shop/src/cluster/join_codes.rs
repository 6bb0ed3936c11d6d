//! What `shopnode join` can fail with beside the codes of the HTTP API: each with a page for `shopctl explain`.

/// A code that a program says on its own machine, in a log or on a terminal. It is never answered over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCode {
    pub code: &'static str,
    /// One line: what happened.
    pub title: &'static str,
    /// What whoever sees it can do.
    pub advice: &'static str,
}

pub(super) const fn page(code: &'static str, title: &'static str, advice: &'static str) -> LocalCode {
    LocalCode { code, title, advice }
}

/// All of them. Append only: the codes are a contract.
pub const JOIN_CODES: &[LocalCode] = &[
    page(
        "join_unreachable",
        "The node that was named does not answer",
        "Nothing was sent. Check HOST:PORT (the cluster's UDP port, not the HTTP one), firewalls, and that the node runs; then repeat the command.",
    ),
    page(
        "join_pin_mismatch",
        "Whoever answers says that it is of the cluster that made the token, and is not",
        "Nothing was sent. Somebody may sit in between: check the address. A token that was made before `shopctl authority rotate` pins the old authority: make a new one.",
    ),
    page(
        "join_wrong_cluster",
        "The node that answers says that it is of another cluster than the token",
        "Nothing was sent. Name a node of the cluster that made the token, or make a token there.",
    ),
    page(
        "join_busy",
        "The node has been asked too often",
        "Nothing was looked at. Repeat the command in a moment.",
    ),
    page(
        "join_lost",
        "The connection was lost on the way",
        "Repeat the command with the same token and directory: a machine that was enrolled already gets the same id.",
    ),
    page("join_too_large", "The request is too large", "Shorten the node's name, zone or addresses."),
    page(
        "join_unavailable",
        "The cluster cannot take the machine now",
        "It may be between two leaders or without a majority: repeat the command with the same token; `shopctl status` says more.",
    ),
    page(
        "join_bad_request",
        "The node could not read the request",
        "The versions of shopnode may be too far apart: install the cluster's version here.",
    ),
    page(
        "join_bad_answer",
        "What came back could not be read",
        "The versions of shopnode may be too far apart: install the cluster's version here, and repeat the command.",
    ),
    page(
        "token_malformed",
        "This is no join token, or not all of one",
        "Copy it whole, from `shopnode-join_` to its end. A character that was changed on the way is noticed before anything is sent.",
    ),
    page(
        "token_newer",
        "The join token is of a newer version of shopnode",
        "Install the cluster's version on this machine first.",
    ),
];

#[cfg(test)]
mod tests {
    use super::JOIN_CODES;
    use crate::Code;

    #[test]
    fn each_is_there_once_and_not_among_those_of_the_api_but_where_it_means_the_same() {
        for (at, page) in JOIN_CODES.iter().enumerate() {
            assert!(JOIN_CODES[..at].iter().all(|other| other.code != page.code), "{}", page.code);
            assert_eq!(Code::find(page.code), None, "{}", page.code);
            assert!(!page.title.ends_with('.') && page.advice.ends_with('.'), "{}", page.code);
        }
    }
}
