//! The README's first minute, and the promises of one node.

use std::time::Duration;

use anyhow::Result;
use shopnode_tests::{Dev, orders, wait};

#[tokio::test]
async fn an_order_is_placed_paid_and_mailed() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 5).await?;

    let placed = dev
        .guest()
        .post("/store/v1/orders", &orders::order("TEA-1", 2, "sandbox", "card_ok"))
        .await?
        .expect(201)?;
    let id = placed["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(placed["total"]["amount"], 1998, "{placed:#}");

    orders::settled(&admin, &id, "open", "paid").await?;
    let stock = orders::stock(&admin, "TEA-1").await?;
    assert_eq!(
        (stock["on_hand"].as_i64(), stock["committed"].as_i64(), stock["available"].as_i64()),
        (Some(5), Some(2), Some(3)),
        "{stock:#}"
    );

    wait::until("the confirmation in the mail catcher", Duration::from_secs(20), || async {
        let mails = dev.mail().get("/mail").await.ok()?.json();
        mails["data"]
            .as_array()
            .or(mails.as_array())?
            .iter()
            .any(|mail| mail["to"].to_string().contains("ada@example.com"))
            .then_some(())
    })
    .await?;
    let timeline = admin.get(&format!("/admin/v1/orders/{id}/timeline")).await?.expect(200)?;
    let steps = timeline["data"].as_array().map_or(0, Vec::len);
    assert!(steps >= 3, "placed, captured, confirmed are steps of their own: {timeline:#}");
    assert!(
        timeline["data"].as_array().into_iter().flatten().all(|step| step["index"].is_u64()),
        "{timeline:#}"
    );
    Ok(())
}
