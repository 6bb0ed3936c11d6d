//! An image that was acknowledged outlives any one node, and every node shows it: also one that joined later, and one
//! whose own file is damaged. What is on no majority is not acknowledged.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use shopnode_tests::api::{self, Answer, Api};
use shopnode_tests::network::with_network;
use shopnode_tests::{Cluster, wait};

const LARGEST: usize = 5 * 1024 * 1024;
const LIMIT: Duration = Duration::from_secs(90);

/// A PNG of so many bytes, as far as its first ones say.
fn png(seed: u8, length: usize) -> Vec<u8> {
    let noise = (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed);
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(noise).take(length).collect()
}

async fn try_upload(api: &Api, image: &[u8]) -> Result<Answer> {
    let request = api.request(Method::POST, "/admin/v1/images").header(CONTENT_TYPE, "image/png");
    api::answer(request.body(image.to_vec())).await
}

/// Uploads an image and returns its URL.
async fn upload(api: &Api, image: &[u8]) -> Result<String> {
    let made = try_upload(api, image).await?.expect(201)?;
    Ok(made["url"].as_str().context("a URL")?.to_owned())
}

async fn shows(api: &Api, url: &str, image: &[u8]) -> Result<()> {
    let answer = api.request(Method::GET, url).send().await?;
    let (status, bytes) = (answer.status(), answer.bytes().await?);
    ensure!(status == 200 && bytes == image, "{url}: {status}, {} bytes", bytes.len());
    Ok(())
}

/// Where a node keeps the image of this URL.
fn file(cluster: &Cluster, place: usize, url: &str) -> PathBuf {
    let hash = url.rsplit('/').next().unwrap_or_default();
    cluster.members[place].data.join("blobs").join(hash)
}

async fn product(api: &Api, slug: &str, images: &[&str]) -> Result<Answer> {
    let body: Value =
        json!({"title": slug, "slug": slug, "images": images, "variants": [{"sku": slug.to_uppercase()}]});
    api.post_with_key("/admin/v1/products", &body, slug).await
}

#[test]
fn images_outlive_the_node_that_took_them() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        let (large, small) = (png(1, LARGEST), png(2, 1_000));
        let url = upload(&cluster.admin(0), &large).await?;
        let path = cluster.members[0].data.join("large.png");
        std::fs::write(&path, &large)?;
        let by_hand = cluster.shopctl(0, &["product", "image", &path.to_string_lossy()])?;
        ensure!(by_hand.code == 0 && by_hand.stdout.contains(&url), "{by_hand:#?}");
        for place in 0..3 {
            shows(&cluster.admin(place), &url, &large).await.map_err(|error| cluster.explain(&error))?;
        }
        product(&cluster.admin(1), "tea", &[&url]).await?.expect(201)?;
        let missing = format!("/store/v1/images/{}", "0".repeat(64));
        let refused = product(&cluster.admin(2), "coffee", &[&url, &missing]).await?.expect(422)?;
        ensure!(refused["errors"][0]["pointer"] == "/images/1", "{refused:#}");
        cluster.admin(2).get(&missing).await?.expect(404)?;

        // Who took it dies at once. What is acknowledged is on one of the others at least, and both show it.
        let second = upload(&cluster.admin(0), &small).await?;
        cluster.kill(0)?;
        for place in [1, 2] {
            shows(&cluster.admin(place), &second, &small).await.map_err(|error| cluster.explain(&error))?;
        }
        let third = png(3, 300_000);
        let urls = [url, second, upload(&cluster.admin(1), &third).await?];

        // Who joins later gets all of them without being asked.
        let late = cluster.join().await?;
        wait::until("the images to be at the new node", LIMIT, || async {
            urls.iter().all(|url| file(&cluster, late, url).exists()).then_some(())
        })
        .await
        .map_err(|error| cluster.explain(&error))?;

        // A file that is not what its name says is another node's to bring.
        std::fs::write(file(&cluster, 1, &urls[2]), b"\x89PNG\r\n\x1a\n damaged")?;
        shows(&cluster.admin(1), &urls[2], &third).await.map_err(|error| cluster.explain(&error))?;
        ensure!(std::fs::read(file(&cluster, 1, &urls[2]))? == third, "it was not kept again");

        // One of three that vote cannot acknowledge anything; what it has it shows.
        cluster.kill(2)?;
        let fourth = png(4, LARGEST);
        let refused = try_upload(&cluster.admin(1), &fourth).await?;
        ensure!((refused.status, refused.code()) == (503, "no_quorum".to_owned()), "{refused:?}");
        shows(&cluster.admin(1), &urls[0], &large).await?;
        let unknown = cluster.admin(1).get(&missing).await?;
        ensure!((unknown.status, unknown.code()) == (503, "no_quorum".to_owned()), "{unknown:?}");

        // What was left by that is made durable before a product names it.
        cluster.start_again(2)?;
        cluster.ready(2).await?;
        let url = upload(&cluster.admin(1), &fourth).await?;
        wait::until("the two to agree on a leader", LIMIT, || async {
            product(&cluster.admin(1), "mate", &[&url]).await.ok()?.expect(201).ok()
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        ensure!(file(&cluster, 2, &url).exists(), "a product names an image that is on one node");
        Ok(())
    })
}
