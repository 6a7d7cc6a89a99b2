//! What nodes do in a simulated network: partitions, crashes, late and lost packets, strangers that take their time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use super::frame::Frame;
use super::hello::PREAMBLE;
use super::network::LOOK_UP_AGAIN;
use super::options::HANDSHAKE_TIMEOUT;
use super::seeds::LOOK_UP_SOON;
use super::simulation::{HEARTBEAT, LENIENT, OLD, PORT, Start, World, greet, play, play_by_name};
use super::v1;
use crate::error::ErrorKind;
use crate::message::{Incoming, SystemKind};
use crate::pid::Pid;
use crate::sync::Mutex;

const QUICK: Duration = Duration::from_millis(20);
/// Three heartbeats and what a step or two may add.
const NOTICED: Duration = Duration::from_millis(3 * 300 + 300);

#[test]
fn a_partition_is_noticed_once_and_heals() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.actor("b", "mail");
        world.actor("c", "mail");
        let (of_b, proxy) = world.watch("a", "b", "mail");
        let (of_c, _) = world.watch("a", "c", "mail");
        let (between, kept) = world.watch("b", "c", "mail");
        world.sim.partition("a", "b");
        world.sim.partition("a", "c");
        let took = world.until("the others are gone for a", |world| world.node("a").sees().is_empty());
        assert!(took <= NOTICED, "it took {took:?}");
        assert!(world.is_down("a", of_b) && world.is_down("a", of_c));
        world.until_met(&["b", "c"]);
        world.pass(HEARTBEAT * 20);
        world.sim.repair("a", "b");
        world.sim.repair("a", "c");
        world.until_met(&["a", "b", "c"]);
        let again = world.resolve("a", "b", "mail");
        assert_ne!(again, proxy);
        assert!(world.node("a").runtime.is_alive(again));
        // None of it was told to those whom it did not concern, or told twice.
        world.pass(HEARTBEAT * 10);
        for (at, watcher) in [("a", of_b), ("a", of_c), ("b", between)] {
            assert!(!world.is_down(at, watcher));
        }
        assert!(world.node("b").runtime.is_alive(kept));
    });
}

#[test]
fn a_partition_in_one_direction_is_one_for_both() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.actor("a", "mail");
        world.actor("b", "mail");
        let (at_a, _) = world.watch("a", "b", "mail");
        let (at_b, _) = world.watch("b", "a", "mail");
        world.sim.partition_oneway("a", "b");
        world.until("both have noticed", |world| {
            let gone = |at: &str, other: &str| !world.node(at).sees().contains(&other.to_owned());
            gone("a", "b") && gone("b", "a")
        });
        assert!(world.is_down("a", at_a) && world.is_down("b", at_b));
        world.until_met(&["a", "c"]);
        world.until_met(&["b", "c"]);
        world.sim.repair_oneway("a", "b");
        world.until_met(&["a", "b", "c"]);
        assert!(!world.is_down("a", at_a) && !world.is_down("b", at_b));
    });
}

#[test]
fn a_node_that_crashes_and_returns_is_another_start_of_itself() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.actor("b", "mail");
        let (watcher, proxy) = world.watch("a", "b", "mail");
        let nodes = world.node("a").observed();
        world.node("a").runtime.monitor_nodes(nodes).unwrap();
        assert_eq!(world.node("a").told(nodes).len(), 2);
        // Nothing of its end is heard.
        world.sim.partition("b", "a");
        world.sim.partition("b", "c");
        world.sim.crash("b");
        world.pass(HEARTBEAT);
        world.sim.repair("b", "a");
        world.sim.repair("b", "c");
        world.start_again("b");
        world.until_met(&["a", "b", "c"]);
        assert!(world.is_down("a", watcher));
        world.actor("b", "mail");
        let again = world.resolve("a", "b", "mail");
        assert!(again != proxy && world.node("a").runtime.is_alive(again));
        let told = world.node("a").told(nodes);
        let kinds: Vec<_> = told
            .iter()
            .map(|incoming| match incoming {
                Incoming::System(notice) => (notice.kind, notice.node.as_ref().unwrap().name.clone()),
                Incoming::User(message) => panic!("nobody sent {message:?}"),
            })
            .collect();
        assert_eq!(kinds, [(SystemKind::NodeDown, "b".to_owned()), (SystemKind::NodeUp, "b".to_owned())]);
    });
}

#[test]
fn a_global_name_has_one_owner_after_a_partition() {
    play(&["a", "b", "c", "d"], QUICK, |world| {
        for left in ["a", "b"] {
            for right in ["c", "d"] {
                world.sim.partition(left, right);
            }
        }
        world.until_met(&["a", "b"]);
        world.until_met(&["c", "d"]);
        let owners: Vec<Pid> = ["a", "c"]
            .iter()
            .map(|name| {
                let Start { runtime, node, .. } = world.node(name);
                let owner = world.node(name).observed();
                node.register_global(&runtime, "mail", owner).unwrap();
                owner
            })
            .collect();
        let knows = |world: &World, name: &str| world.node(name).runtime.whereis("mail");
        world.until("both sides know an owner", |world| {
            knows(world, "b").is_some() && knows(world, "d").is_some()
        });
        for left in ["a", "b"] {
            for right in ["c", "d"] {
                world.sim.repair(left, right);
            }
        }
        world.until_met(&["a", "b", "c", "d"]);
        world.until("the younger owner ended", |world| !world.node("c").runtime.is_alive(owners[1]));
        let proxies =
            |world: &World| ["b", "c", "d"].iter().all(|name| knows(world, name).is_some_and(Pid::is_proxy));
        world.until("all know the older", proxies);
        world.pass(HEARTBEAT * 20);
        assert!(proxies(world) && world.node("a").runtime.is_alive(owners[0]));
        assert_eq!(knows(world, "a"), Some(owners[0]));
    });
}

#[test]
fn members_find_each_other_by_a_name_of_many() {
    play_by_name(&["a", "b", "c", "d"], QUICK, |world| {
        // It stands for nobody at first.
        world.pass(HEARTBEAT * 10);
        assert!(["a", "b", "c", "d"].iter().all(|name| world.node(name).sees().is_empty()));
        world.sim.client("away", std::future::pending());
        world.name(&["away", "b", "c"]);
        let took = world.until_met(&["a", "b", "c", "d"]);
        assert!(took <= LOOK_UP_SOON + HEARTBEAT * 10, "it took {took:?}");
        // Who comes back finds the others by what it stands for now.
        world.name(&["d"]);
        world.sim.crash("b");
        world.until("b is gone", |world| world.node("d").sees() == ["a", "c"]);
        world.sim.bounce("b");
        world.until_met(&["a", "b", "c", "d"]);
    });
}

#[test]
fn a_name_of_members_is_looked_up_again() {
    play_by_name(&["a", "b", "c", "d"], QUICK, |world| {
        world.name(&["a"]);
        for left in ["a", "b"] {
            for right in ["c", "d"] {
                world.sim.partition(left, right);
            }
        }
        world.until_met(&["a", "b"]);
        assert!(world.node("c").sees().is_empty() && world.node("d").sees().is_empty());
        world.name(&["a", "d"]);
        let took = world.until_met(&["c", "d"]);
        assert!(took <= LOOK_UP_AGAIN + HEARTBEAT * 10, "it took {took:?}");
        for left in ["a", "b"] {
            for right in ["c", "d"] {
                world.sim.repair(left, right);
            }
        }
        world.until_met(&["a", "b", "c", "d"]);
    });
}

#[test]
fn order_holds_and_nothing_is_doubled_while_links_break_and_packets_are_late() {
    play(&["a", "b", "c"], Duration::from_millis(150), |world| {
        let kept = world.actor("b", "mail");
        let (mut next, mut seen) = ([0_u32; 2], [Vec::new(), Vec::new()]);
        world.sim.set_fail_rate(0.002);
        for round in 0..400 {
            if round == 300 {
                world.sim.set_fail_rate(0.0);
                for (one, other) in [("a", "b"), ("a", "c"), ("b", "c")] {
                    world.sim.repair(one, other);
                }
            }
            for (place, from) in ["a", "c"].into_iter().enumerate() {
                let address = format!("{}:{PORT}", world.sim.lookup("b"));
                let mut bytes = vec![u8::try_from(place).unwrap()];
                bytes.extend_from_slice(&next[place].to_be_bytes());
                // What is refused, or lost with a link, is told to the sender and not sent again.
                let _ = world.node(from).runtime.send_remote(&address, kept, bytes.into());
                next[place] += 1;
            }
            world.pass(Duration::from_millis(50));
            for incoming in world.node("b").told(kept) {
                let Incoming::User(message) = incoming else { panic!("nobody told {incoming:?}") };
                let (place, number) = message.payload().as_slice().split_at(1);
                seen[usize::from(place[0])].push(u32::from_be_bytes(number.try_into().unwrap()));
            }
        }
        world.until_met(&["a", "b", "c"]);
        for seen in seen {
            assert!(seen.is_sorted_by(|one, other| one < other), "in order and once each: {seen:?}");
            assert!(seen.len() > 100, "most arrive: {}", seen.len());
        }
    });
}

/// What a call to an address comes to, and how long that takes.
fn call(world: &mut World, from: &str, address: String) -> (ErrorKind, Duration) {
    let outcome = Arc::new(Mutex::new(None));
    let (tell, node) = (Arc::clone(&outcome), world.node(from).node);
    node.handle.clone().spawn(async move {
        *tell.lock() = Some(node.resolve(address, "mail".to_owned()).await);
    });
    let took = world.until("an outcome", |_| outcome.lock().is_some());
    let outcome = outcome.lock().take().unwrap();
    (outcome.unwrap_err().kind(), took)
}

#[test]
fn calls_to_the_dead_and_the_silent_end_in_time() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.sim.client("silent", async {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            let _kept = listener.accept().await?;
            std::future::pending().await
        });
        world.sim.client("closed", std::future::pending());
        world.sim.client("away", std::future::pending());
        world.sim.partition("a", "away");
        for machine in ["silent", "closed", "away"] {
            let address = format!("{}:{PORT}", world.sim.lookup(machine));
            let (kind, took) = call(world, "a", address);
            assert_eq!(kind, ErrorKind::NodeDown, "{machine}");
            assert!(took <= Duration::from_secs(2) + HEARTBEAT, "{machine}: {took:?}");
        }
        world.until_met(&["a", "b", "c"]);
    });
}

#[test]
fn a_greeting_that_drips_is_closed_in_time_and_keeps_nobody_out() {
    play(&["a", "b"], QUICK, |world| {
        let ended = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&ended);
        let node = world.sim.lookup("a");
        world.sim.client("drips", async move {
            let mut stream = TcpStream::connect((node, PORT)).await?;
            let since = tokio::time::Instant::now();
            let mut second = tokio::time::interval(Duration::from_secs(1));
            for byte in PREAMBLE.into_iter().chain(std::iter::repeat(0)) {
                tokio::select! {
                    _ = second.tick() => {
                        if stream.write_all(&[byte]).await.is_err() {
                            break;
                        }
                    }
                    _ = stream.read_u8() => break,
                }
            }
            *tell.lock() = Some(since.elapsed());
            Ok(())
        });
        world.pass(Duration::from_secs(1));
        world.actor("a", "mail");
        world.resolve("b", "a", "mail");
        world.until("the greeting is closed", |_| ended.lock().is_some());
        let took = ended.lock().unwrap();
        assert!(took >= HANDSHAKE_TIMEOUT && took <= HANDSHAKE_TIMEOUT + Duration::from_secs(1), "{took:?}");
        assert_eq!(world.node("a").node.info().refused, 1);
        assert_eq!(world.node("a").sees(), ["b"]);
    });
}

/// A node that says this, so many bytes at once and no heartbeat between them.
async fn drip(node: IpAddr, name: &str, said: Vec<u8>, piece: usize) -> std::io::Result<()> {
    let mut stream = greet(node, name).await?;
    let mut pace = tokio::time::interval(HEARTBEAT / 3);
    for piece in said.chunks(piece) {
        pace.tick().await;
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

#[test]
fn a_connection_that_drips_is_over_and_a_slow_one_is_not() {
    play(&["a", "b"], QUICK, |world| {
        let (node, kept) = (world.sim.lookup("a"), world.actor("a", "mail"));
        let nodes = world.node("a").observed();
        world.node("a").runtime.monitor_nodes(nodes).unwrap();
        assert_eq!(world.node("a").told(nodes).len(), 1);
        let mut said = Vec::new();
        Frame::Send { target: kept.get(), payload: &vec![7; 300_000] }.put(&mut said);
        let dripped = said.clone();
        world.sim.client("0-drips", async move { Ok(drip(node, "0-drips", dripped, 1).await?) });
        let sees = |world: &World, name: &str| world.node("a").sees().iter().any(|seen| seen == name);
        world.until("it is connected", |world| sees(world, "0-drips"));
        let took = world.until("it is gone", |world| !sees(world, "0-drips"));
        assert!(took >= HEARTBEAT * 2 && took <= NOTICED, "it took {took:?}");
        let told = world.node("a").told(nodes);
        let [Incoming::System(_), Incoming::System(down)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(down.node.as_ref().unwrap().why, format!("nothing was heard for {:?}", HEARTBEAT * 3));

        // Six heartbeats for one message.
        world.sim.client("0-slow", async move { Ok(drip(node, "0-slow", said, 16_000).await?) });
        world.until("it is connected", |world| sees(world, "0-slow"));
        let arrived = Mutex::new(Vec::new());
        world.until("the message", |world| {
            arrived.lock().extend(world.node("a").told(kept));
            !arrived.lock().is_empty()
        });
        let arrived = std::mem::take(&mut *arrived.lock());
        let [Incoming::User(message)] = &arrived[..] else { panic!("{arrived:?}") };
        assert_eq!(message.payload().as_slice(), vec![7; 300_000]);
        world.until("it is gone, silent as it is", |world| !sees(world, "0-slow"));
        assert_eq!(world.node("a").sees(), ["b"]);
    });
}

/// What a node answers who asks by version 1 for a sign of life.
async fn asked_by_version_1(node: IpAddr) -> Option<u8> {
    let mut stream = TcpStream::connect((node, PORT)).await.ok()?;
    stream.write_all(&[2]).await.ok()?;
    stream.read_u8().await.ok()
}

#[test]
fn version_1_is_served_to_hosts_that_are_listed() {
    play(&[LENIENT, "strict"], QUICK, |world| {
        let nodes = [LENIENT, "strict"].map(|name| world.sim.lookup(name));
        for (machine, expected) in [(OLD, [Some(3), None]), ("unlisted", [None, None])] {
            let answers = Arc::new(Mutex::new(Vec::new()));
            let tell = Arc::clone(&answers);
            world.sim.client(machine, async move {
                for node in nodes {
                    let answer = asked_by_version_1(node).await;
                    tell.lock().push(answer);
                }
                Ok(())
            });
            world.until("both have answered", |_| answers.lock().len() == 2);
            assert_eq!(*answers.lock(), expected, "{machine}");
        }
        let refused = |name: &str| world.node(name).node.info().refused;
        assert_eq!((refused(LENIENT), refused("strict")), (1, 2));
    });
}

/// Answers who speaks version 1 from the first byte on, and closes on all others.
async fn answer_by_version_1(mut stream: TcpStream) -> std::io::Result<()> {
    if stream.read_u8().await? != 1 {
        return Ok(());
    }
    let mut heard = BytesMut::new();
    while stream.read_buf(&mut heard).await? > 0 {
        while let Ok(Some((said, length))) = v1::parse(&heard) {
            match said {
                v1::Said::Resolve { name: "mail" } => stream.write_u64(1 << 40 | 7).await?,
                v1::Said::Resolve { .. } => stream.write_u64(0).await?,
                v1::Said::Ping => stream.write_u8(v1::ALIVE).await?,
                v1::Said::Send { .. } => {}
            }
            heard.advance(length);
        }
    }
    Ok(())
}

#[test]
fn version_1_is_spoken_to_hosts_that_are_listed() {
    play(&[LENIENT, "strict"], QUICK, |world| {
        for machine in [OLD, "unlisted"] {
            world.sim.client(machine, async {
                let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
                loop {
                    tokio::spawn(answer_by_version_1(listener.accept().await?.0));
                }
            });
        }
        for (from, machine) in [("strict", OLD), ("strict", "unlisted"), (LENIENT, "unlisted")] {
            let address = format!("{}:{PORT}", world.sim.lookup(machine));
            assert_eq!(call(world, from, address).0, ErrorKind::NodeDown, "{from} {machine}");
        }
        let proxy = world.resolve(LENIENT, OLD, "mail");
        let old = format!("version 1 at {}:{PORT}", world.sim.lookup(OLD));
        assert_eq!(world.node(LENIENT).sees(), ["strict", &old]);
        world.pass(HEARTBEAT * 10);
        assert!(world.node(LENIENT).runtime.is_alive(proxy));
    });
}
