//! What a newcomer reads first.

use std::fmt::Write;
use std::path::Path;

use super::file::DevFile;

/// The SKU that the printed order is for: the first of the demo, and the one that the other commands make.
const SKU: &str = "TEA-01-1";

/// URLs, the admin's credentials, and a command that places an order. `path` is where `file` is.
pub fn text(file: &DevFile, path: &Path, has_demo: bool, is_temporary: bool) -> String {
    let mut text = String::new();
    let Some(node) = file.nodes.first() else { return text };
    let (http, token) = (&node.http, &file.admin_token);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "The shop is open.\n");
    for node in &file.nodes {
        let _ = writeln!(text, "  node {}           {}", node.id, node.http);
    }
    let _ = writeln!(text, "  API description  {http}/openapi.json");
    let _ = writeln!(text, "  metrics          {http}/metrics");
    let _ = writeln!(text, "  mail             {}", file.mail);
    let _ = writeln!(text, "  text messages    {}", file.sms);
    let _ = writeln!(text, "  card processor   {}/sandbox/ledger", file.sandbox);
    let kept = if is_temporary { "removed at the end; --data DIR keeps it" } else { "kept" };
    for node in &file.nodes {
        let _ = writeln!(text, "  data             {} ({kept}; pid {})", node.data.display(), node.pid);
    }
    let _ = writeln!(text, "  admin            Authorization: Bearer {token}");
    let _ = writeln!(text, "  shopctl          export SHOPNODE_DEV_JSON={}\n", path.display());
    if !has_demo {
        let _ = writeln!(text, "Something to sell:\n\n{}", stock_up(http, token));
    }
    let _ = writeln!(text, "An order, paid by card:\n\n{}\n", order(http));
    if let [first, second, _, ..] = file.nodes.as_slice() {
        let _ = writeln!(
            text,
            "Then kill a node (kill -9 {}) and order at another ({}).\n",
            first.pid, second.http
        );
    }
    let _ = writeln!(text, "Ctrl-C ends it.");
    text
}

/// The key has nanoseconds: all guests share one space of keys, and two of them with the same key and body would get the
/// same order.
fn order(http: &str) -> String {
    format!(
        r#"curl -sS {http}/store/v1/orders -H 'Content-Type: application/json' -H "Idempotency-Key: try-$(date +%s%N)" -d '
  {{"currency": "EUR", "email": "ada@example.com", "lines": [{{"sku": "{SKU}", "quantity": 2}}],
   "shipping_address": {{"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"}},
   "payment": {{"provider": "sandbox", "method": "card_ok"}}}}'"#
    )
}

fn stock_up(http: &str, token: &str) -> String {
    format!(
        r#"curl -sS {http}/admin/v1/products -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '
  {{"title": "Green tea", "slug": "green-tea", "status": "published", "category": "tea",
   "variants": [{{"sku": "{SKU}", "options": {{"weight": "100 g"}}, "prices": [{{"amount": 990, "currency": "EUR"}}]}}]}}'
curl -sS {http}/admin/v1/stock/set -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
  -H "Idempotency-Key: stock-$(date +%s%N)" -d '{{"sku": "{SKU}", "on_hand": 100}}'
"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::file::{DevFile, NodeEntry};
    use std::path::Path;

    use super::{SKU, order, text};

    const DEV_JSON: &str = "/shop/dev.json";

    fn file() -> DevFile {
        DevFile {
            admin_token: "sk_secret".to_owned(),
            nodes: vec![NodeEntry {
                id: 1,
                http: "http://127.0.0.1:8080".to_owned(),
                cluster: "127.0.0.1:7080".to_owned(),
                pid: 7,
                data: "/shop/node-1".into(),
            }],
            sandbox: "http://127.0.0.1:1".to_owned(),
            mail: "http://127.0.0.1:2".to_owned(),
            sms: "http://127.0.0.1:3".to_owned(),
        }
    }

    /// The bodies between the quotes of `-d '…'`.
    fn bodies(text: &str) -> Vec<serde_json::Value> {
        text.split("-d '")
            .skip(1)
            .map(|rest| serde_json::from_str(&rest[..rest.find('\'').unwrap()]).unwrap())
            .collect()
    }

    #[test]
    fn what_is_to_be_pasted_is_json() {
        let with_demo = bodies(&text(&file(), Path::new(DEV_JSON), true, true));
        assert_eq!(with_demo.len(), 1);
        assert_eq!(with_demo[0]["lines"][0]["sku"], SKU);
        assert_eq!(bodies(&text(&file(), Path::new(DEV_JSON), false, true)).len(), 3);
    }

    #[test]
    fn everything_to_look_at_is_named() {
        let text = text(&file(), Path::new(DEV_JSON), true, false);
        for part in [
            "http://127.0.0.1:8080/metrics",
            "sk_secret",
            DEV_JSON,
            "/shop/node-1 (kept; pid 7)",
            "http://127.0.0.1:2",
            "http://127.0.0.1:3",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn the_readme_tells_the_same() {
        let readme = include_str!("../../../README.md");
        let commands: Vec<&str> = readme.split("```\n").filter(|block| block.starts_with("curl ")).collect();
        assert_eq!(commands, [order("http://127.0.0.1:8080") + "\n"]);
        assert!(readme.contains(&format!("shopctl stock get {SKU}\n")));
    }

    #[test]
    fn the_order_is_for_something_that_the_demo_has() {
        let demo = super::super::demo::demo().unwrap();
        assert_eq!(demo.stock[0].0.as_str(), SKU);
    }
}
