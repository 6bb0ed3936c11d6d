/// The number as E.164 has it, `+` and 8 to 15 digits: without the spaces, dashes and brackets that people write.
/// `None` for everything else: a number without its country is nobody's in particular.
pub fn e164(written: &str) -> Option<String> {
    let number: String = written.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '(' | ')')).collect();
    let digits = number.strip_prefix('+')?;
    let is_number = (8..=15).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::e164;

    #[test]
    fn what_people_write_is_a_number_if_it_has_its_country() {
        let check = |written, expect: Option<&str>| assert_eq!(e164(written).as_deref(), expect, "{written}");
        check("+49 30 901820", Some("+4930901820"));
        check(" +1 (415) 555-2671 ", Some("+14155552671"));
        check("+4930901820", Some("+4930901820"));
        for none in ["", "+", "030 901820", "0049 30 901820", "+049 30 901820", "+49 30 x", "+1234567"] {
            check(none, None);
        }
        check("+1234567890123456", None);
        check("+١٢٣٤٥٦٧٨٩", None);
    }
}
