//! What goes over the wire between nodes, seen by tshark: QUIC and nothing else, and nothing of an order in the clear.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shopnode_tests::network::with_network;
use shopnode_tests::{Cluster, orders};

const CANARY: &str = "canary-7f3a@example.com";

#[test]
fn nodes_speak_quic_and_nothing_else() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 1, &[]).await?;
        let capture = tempfile::tempdir()?;
        let file = capture.path().join("cluster.pcap");
        // Everything between machines but HTTP, which is for clients: a node that joins, and then orders.
        let mut shark = Command::new("tshark")
            .args(["-q", "-i", "br0", "-f", "ip and not tcp port 8080", "-a", "duration:60", "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tshark does not start")?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for _ in 0..2 {
            cluster.join().await?;
        }
        cluster.voters(3).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        orders::sell(&admin, "TEA-1", 100).await?;
        let mut order = orders::order("TEA-1", 1, "manual", "");
        order["email"] = CANARY.into();
        for place in 0..3 {
            cluster.admin(place).post("/store/v1/orders", &order).await?.expect(201)?;
        }
        shopnode_tests::dev::terminate(&mut shark)?;

        let bytes = std::fs::read(&file)?;
        ensure!(!contains(&bytes, CANARY.as_bytes()), "a mail address is on the wire in the clear");
        let told = Command::new("tshark")
            .arg("-r")
            .arg(&file)
            .args([
                "-d",
                "udp.port==7080,quic",
                "-T",
                "fields",
                "-e",
                "_ws.col.Protocol",
                "-e",
                "udp.dstport",
            ])
            .output()?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let (quic, other): (Vec<_>, Vec<_>) = told.lines().partition(|line| line.starts_with("QUIC"));
        ensure!(quic.len() > 100, "only {} packets were seen", quic.len());
        // A port that is closed answers so: a peer was dialled before it listened.
        let other: Vec<_> = other.into_iter().filter(|line| !line.starts_with("ICMP")).collect();
        ensure!(other.is_empty(), "not QUIC: {:?}", &other[..other.len().min(20)]);
        Ok(())
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
