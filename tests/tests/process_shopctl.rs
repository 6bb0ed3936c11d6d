//! An operator's day with `shopctl`, against a real shop: goods, stock, orders, money, clients, events, errors.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use shopnode_tests::shopctl::{Ran, shopctl};
use shopnode_tests::{Dev, dev, orders};

/// Two products in three rows, as Shopify exports them.
const CSV: &str = "\
Handle,Title,Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Status
blue-mug,Blue mug,Keramik,Mug,\"mug, blue\",true,Size,Small,MUG-S,12,9.90,active
blue-mug,,,,,,,Large,MUG-L,5,12.90,
green-mug,Green mug,Keramik,Mug,,true,Title,Default Title,MUG-G,0,10.00,draft
";

/// An operator on the machine of a `shopnode dev`.
struct Operator {
    dev: Dev,
}

impl Operator {
    async fn new() -> Result<Self> {
        Ok(Self { dev: Dev::empty().await? })
    }

    fn run(&self, arguments: &[&str]) -> Result<Ran> {
        self.feed(arguments, "")
    }

    fn feed(&self, arguments: &[&str], stdin: &str) -> Result<Ran> {
        shopctl(&[("SHOPNODE_DEV_JSON", &self.dev.home())], arguments, stdin)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        self.run(&[arguments, &["-o", "json"]].concat())?.json()
    }

    /// An order of one small mug, paid by this method; its id and its payment's.
    async fn order(&self, method: &str) -> Result<(String, String)> {
        let body = orders::order("MUG-S", 1, "sandbox", method);
        let placed = self.dev.guest().post("/store/v1/orders", &body).await?.expect(201)?;
        Ok((text(&placed["id"])?, text(&placed["payment_attempt"]["id"])?))
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

#[tokio::test]
async fn goods_arrive_and_are_counted() -> Result<()> {
    let operator = Operator::new().await?;
    let status = operator.json(&["status"])?;
    assert_eq!(status["leader"], status["nodes"][0]["id"], "{status:#}");

    let import = |arguments: &[&str], file: &str| {
        operator.feed(&[&["product", "import", "-", "-o", "json"], arguments].concat(), file)
    };
    let counts = |job: Value| {
        let of = |name: &str| job["progress"][name].as_u64();
        (of("created"), of("updated"), of("unchanged"), of("failed"))
    };
    let before = operator.run(&["product", "list", "--all"])?.done()?;
    assert_eq!(counts(import(&["--dry-run"], CSV)?.json()?), (Some(2), Some(0), Some(0), Some(0)));
    assert_eq!(operator.run(&["product", "list", "--all"])?.done()?, before, "a dry run writes nothing");
    assert_eq!(counts(import(&[], CSV)?.json()?), (Some(2), Some(0), Some(0), Some(0)));
    assert_eq!(counts(import(&[], CSV)?.json()?), (Some(0), Some(0), Some(2), Some(0)));
    let dearer = CSV.replace("10.00", "11.00");
    assert_eq!(counts(import(&["--dry-run"], &dearer)?.json()?), (Some(0), Some(1), Some(1), Some(0)));

    let wrong = CSV.replace("9.90", "nine").replace("draft", "sideways");
    let told = operator.feed(&["product", "import", "-"], &wrong)?.ended(1)?;
    for place in ["2  Variant Price", "4  Status"] {
        assert!(told.stdout.contains(place), "{place} in {told:#?}");
    }

    let products = operator.json(&["product", "list", "--status", "published"])?;
    let id = text(&products["data"][0]["id"])?;
    assert_eq!(operator.json(&["product", "get", &id])?["slug"], "blue-mug");

    operator.run(&["stock", "adjust", "MUG-S", "-2", "--reason", "broken"])?.done()?;
    assert_eq!(operator.json(&["stock", "get", "MUG-S"])?["data"][0]["on_hand"], 10);
    let refused = operator.run(&["stock", "set", "MUG-S", "30", "--if-on-hand", "11"])?.ended(1)?;
    assert!(refused.stderr.contains("stock_changed"), "{refused:#?}");
    operator.run(&["stock", "set", "MUG-S", "30", "--if-on-hand", "10"])?.done()?;
    let moved = operator.json(&["stock", "movements", "MUG-S"])?;
    assert_eq!((&moved["data"][0]["reason"], &moved["data"][1]["note"]), (&"set".into(), &"broken".into()));
    Ok(())
}

#[tokio::test]
async fn an_order_is_shipped_another_canceled_and_money_goes_back() -> Result<()> {
    let operator = Operator::new().await?;
    operator.feed(&["product", "import", "-"], CSV)?.done()?;
    let admin = operator.dev.admin();
    let (shipped, payment) = operator.order("card_ok").await?;
    let (canceled, _) = operator.order("card_ok").await?;
    let (_, declined) = operator.order("card_declined").await?;
    orders::settled(&admin, &shipped, "open", "paid").await?;
    orders::settled(&admin, &canceled, "open", "paid").await?;

    let list = operator.json(&["order", "list", "--status", "open"])?;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{list:#}");
    operator.run(&["order", "ship", &shipped, "--carrier", "DHL", "--tracking-number", "4711"])?.done()?;
    assert_eq!(operator.json(&["order", "get", &shipped])?["status"], "completed");
    let again = operator.run(&["order", "cancel", &shipped])?.ended(1)?;
    assert!(again.stderr.contains("conflict"), "{again:#?}");
    operator.run(&["order", "cancel", &canceled])?.done()?;
    orders::settled(&admin, &canceled, "canceled", "refunded").await?;

    let much = operator.run(&["payment", "refund", &payment, "--amount", "10EUR"])?.ended(1)?;
    assert!(much.stderr.contains("9.90 EUR can be refunded"), "{much:#?}");
    operator.run(&["payment", "refund", &payment, "--amount", "0.90EUR"])?.done()?;
    operator.run(&["payment", "refund", &payment])?.done()?;
    orders::settled(&admin, &shipped, "completed", "refunded").await?;
    assert_eq!(operator.json(&["payment", "get", &payment])?["refunded"]["amount"], 990);
    for verb in ["capture", "void"] {
        operator.run(&["payment", verb, &payment])?.ended(1)?;
    }
    let list = operator.json(&["payment", "list", "--status", "declined"])?;
    let found: Vec<_> = list["data"].as_array().into_iter().flatten().map(|one| &one["id"]).collect();
    assert_eq!(found, [&Value::from(declined)], "{list:#}");
    // No index knows this state: the list is empty, and it ends.
    let none = operator.json(&["payment", "list", "--status", "unknown"])?;
    assert_eq!((none["data"].as_array().map(Vec::len), &none["next_cursor"]), (Some(0), &Value::Null));

    let timeline = operator.run(&["order", "timeline", &canceled])?.done()?;
    for step in ["order.placed", "held=+1", "payment.captured", "order.canceled", "refund.created"] {
        assert!(timeline.contains(step), "{step} in\n{timeline}");
    }
    let told =
        operator.run(&["topic", "tail", "orders", "--after", "0", "--no-follow", "-o", "json"])?.done()?;
    let kinds: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |id: &str| kinds.iter().filter(|event| event["subject"] == id).count();
    assert!(of(&shipped) >= 3 && of(&canceled) >= 3, "{told}");
    Ok(())
}

#[tokio::test]
async fn a_partner_gets_a_key_and_loses_it() -> Result<()> {
    let operator = Operator::new().await?;
    let made = operator.json(&["client", "create", "partner", "--scope", "orders:read"])?;
    let client = text(&made["client_id"])?;
    let made = operator.json(&["client", "create-key", &client, "night job", "--scope", "orders:read"])?;
    let (id, key) = (text(&made["id"])?, text(&made["key"])?);
    let url = operator.dev.node().http.clone();
    let profiles = operator.dev.dir.path().join("profiles.toml");

    let partner =
        |arguments: &[&str], stdin: &str| shopctl(&[("SHOPCTL_CONFIG", &profiles)], arguments, stdin);
    partner(&["profile", "set", "shop", "--server", &url], &key)?.done()?;
    assert!(!partner(&["profile", "list"], "")?.done()?.contains(&key));
    partner(&["order", "list"], "")?.done()?;
    let refused = partner(&["stock", "list"], "")?.ended(1)?;
    assert!(refused.stderr.contains("stock:read"), "{refused:#?}");

    // A key that is set by hand goes before the one that dev.json has for the same server.
    let both = [("SHOPNODE_DEV_JSON", operator.dev.home()), ("SHOPCTL_TOKEN", key.clone().into())];
    let both = both.each_ref().map(|(name, value)| (*name, value.as_path()));
    shopctl(&both, &["--server", &url, "stock", "list"], "")?.ended(1)?;

    operator.run(&["client", "revoke-key", &id])?.done()?;
    let refused = partner(&["order", "list"], "")?.ended(1)?;
    assert!(refused.stderr.contains("unauthenticated"), "{refused:#?}");
    operator.run(&["client", "revoke", &client])?.done()?;
    let list = operator.run(&["client", "list"])?.done()?;
    assert!(list.contains("revoked"), "{list}");
    Ok(())
}

#[tokio::test]
async fn scripts_can_tell_what_went_wrong() -> Result<()> {
    let nothing: [(&str, &Path); 0] = [];
    let nobody = format!("http://127.0.0.1:{}", dev::free_port()?);
    for (arguments, code) in [
        (&["explain", "out_of_stock"][..], 0),
        (&["explain", "out_of_stok"], 2),
        (&["order", "get", "1001"], 2),
        (&["status"], 2),
        (&["--server", &nobody, "status"], 3),
        (&["--server", "nonsense", "status"], 2),
        (&["--dev", "/nonexistent", "status"], 2),
    ] {
        let ran = shopctl(&nothing, arguments, "")?.ended(code)?;
        assert_eq!(ran.stdout.is_empty(), code != 0, "{ran:#?}");
    }
    Ok(())
}
