use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Handle, serve};

async fn catcher() -> Handle {
    let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(smtp, http).unwrap()
}

/// Says it all at once, as RFC 2920 allows, and returns what the server says until it hangs up.
async fn say(catcher: &Handle, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(catcher.smtp_address()).await.unwrap();
    stream.write_all(words).await.unwrap();
    let mut said = Vec::new();
    // A server that hangs up with words unread resets the connection: what it said before counts.
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await.unwrap();
    String::from_utf8(said).unwrap()
}

async fn get(catcher: &Handle, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", catcher.http_address());
    let response = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_mail_that_comes_in_is_shown() {
    let catcher = catcher().await;
    let said = say(
        &catcher,
        b"EHLO x\r\nMAIL FROM:<shop@example.com>\r\nRCPT TO:<ada@example.com>\r\nDATA\r\n\
          Subject: <b>Hi</b>\r\nMessage-ID: <1@x>\r\n\r\nline\r\n..dot\r\n.\r\nQUIT\r\n",
    )
    .await;
    assert!(said.contains("250 kept as 1\r\n221 bye\r\n"), "{said}");
    let (_, list) = get(&catcher, "/mail").await;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let expect = serde_json::json!({"data": [{
        "number": 1, "from": "shop@example.com", "to": ["ada@example.com"], "subject": "<b>Hi</b>", "message_id": "<1@x>",
    }]});
    assert_eq!(list, expect);
    let (status, raw) = get(&catcher, "/mail/1").await;
    assert_eq!(
        (status, raw.as_str()),
        (200, "Subject: <b>Hi</b>\r\nMessage-ID: <1@x>\r\n\r\nline\r\n.dot\r\n")
    );
    let (_, page) = get(&catcher, "/").await;
    assert!(page.contains("&lt;b&gt;Hi") && !page.contains("<b>"), "{page}");
    assert_eq!(get(&catcher, "/mail/2").await.0, 404);
    catcher.shutdown().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_next_one_taken() {
    let catcher = catcher().await;
    let mut words = b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n".to_vec();
    words.extend(b"0123456789\r\n".repeat(100_000));
    words.extend(b".\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: small\r\n\r\n.\r\nQUIT\r\n");
    let said = say(&catcher, &words).await;
    assert!(said.contains("552 too large\r\n") && said.contains("250 kept as 1\r\n"), "{said}");
}

#[tokio::test]
async fn an_endless_line_ends_the_connection() {
    let catcher = catcher().await;
    let said = say(&catcher, &b"x".repeat(10_000)).await;
    assert_eq!(said, "220 catcher ESMTP\r\n");
}
