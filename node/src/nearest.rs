//! The nearest valid name to one that somebody mistyped.

/// Below this Jaro-Winkler similarity a suggestion would mislead more than it helps.
const SIMILAR_ENOUGH: f64 = 0.75;

/// The candidate most similar to `name`, or `None` when none is similar enough to be what was meant.
///
/// Similarity is Jaro-Winkler, which forgives swapped letters and rewards a common beginning: what fingers do.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR_ENOUGH)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const NAMES: [&str; 4] = ["http.listen", "http.body_limit_bytes", "cluster.listen", "mail.from"];

    fn check(name: &str, expect: Option<&str>) {
        assert_eq!(nearest(name, NAMES), expect, "{name}");
    }

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        check("htpp.listen", Some("http.listen"));
        check("http.lisen", Some("http.listen"));
        check("http.body_limit", Some("http.body_limit_bytes"));
        check("cluster.lsiten", Some("cluster.listen"));
        check("zzz", None);
        check("", None);
    }
}
