use sha2::{Digest, Sha256};

use crate::catalog::{MAX_SKU_LEN, Sku};

/// How much of a long name is kept before the hash that makes it unique.
const KEPT_LEN: usize = MAX_SKU_LEN - 9;

/// The SKU of a variant that has none in the file: handle and option values, `green-tea-100-g`. The same in each import
/// of the same file. What cannot be kept of the name (letters beyond ASCII, length) goes into eight characters of hash.
pub(super) fn derive_sku(handle: &str, options: &[String]) -> Option<Sku> {
    let full = options.iter().fold(handle.to_owned(), |name, option| format!("{name}-{option}"));
    let name: String = full.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let lossy = full.chars().any(|c| !c.is_ascii_alphanumeric() && c != '-' && c != ' ');
    if !lossy && name.len() <= MAX_SKU_LEN {
        return name.parse().ok();
    }
    let digest = Sha256::digest(full.as_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", name.get(..name.len().min(KEPT_LEN))?).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::derive_sku;

    #[test]
    fn names_are_kept_as_far_as_they_can_be() {
        let sku = |handle: &str, options: &[&str]| {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            derive_sku(handle, &options).unwrap().to_string()
        };
        assert_eq!(sku("green-tea", &[]), "green-tea");
        assert_eq!(sku("green-tea", &["100 g", "Loose"]), "green-tea-100-g-Loose");
        assert_ne!(sku("t", &["gr\u{fc}n"]), sku("t", &["gr\u{f6}n"]));
        assert_ne!(sku(&"x".repeat(80), &["a"]), sku(&"x".repeat(80), &["b"]));
    }

    proptest! {
        #[test]
        fn a_sku_can_always_be_made(handle in "[a-z\u{e4}-\u{f6}]{1,100}", option in any::<String>()) {
            assert!(derive_sku(&handle, &[option]).is_some());
        }
    }
}
