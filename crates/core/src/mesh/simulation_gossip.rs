//! What a member that lies can do to the others in a simulated network: they go on as before.

use std::net::IpAddr;
use std::time::Duration;

use chitchat::ChitchatId;
use tokio::io::AsyncWriteExt;

use super::datagram::tests::{ack, bomb, member, part, syn};
use super::frame::Frame;
use super::simulation::{HEARTBEAT, PORT, Start, World, greet, play};

const QUICK: Duration = Duration::from_millis(20);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A member that says all this to a node, again and again, and lives.
async fn lie(node: IpAddr, messages: Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut stream = greet(node, "0-lies").await?;
    let mut pace = tokio::time::interval(HEARTBEAT / 3);
    for message in messages.iter().cycle() {
        pace.tick().await;
        let mut said = Vec::new();
        // Answers go where nobody is.
        Frame::Gossip { from: "192.0.2.1:9", message }.put(&mut said);
        Frame::Beat { returned: 0, received: 0 }.put(&mut said);
        if stream.write_all(&said).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn id(world: &World, name: &str) -> ChitchatId {
    member(name, world.node(name).node.incarnation, (world.sim.lookup(name), PORT).into())
}

/// What contradicts itself, what others say of themselves, more members than there is room for, and what unpacks to much.
fn lies(world: &World) -> Vec<Vec<u8>> {
    let mut lies = Vec::new();
    for name in NAMES {
        let of = id(world, name);
        lies.push(ack(&part(&of, &[("name:x", 1000)], Some(999))));
        lies.push(ack(&part(&of, &[("name:x", 1000), ("name:y", 1000)], None)));
    }
    for heartbeat in 1..3 {
        for group in 0..2 {
            let of = |number| member(&format!("nobody-{group}-{number}"), 1, ([192, 0, 2, 2], 9).into());
            lies.push(syn(&(0..900).map(of).collect::<Vec<_>>(), heartbeat));
        }
    }
    lies.push(bomb(1000));
    lies.push(b"GET / HTTP/1.1".to_vec());
    lies
}

fn register(world: &World, of: &str, name: &str) {
    let Start { runtime, node, .. } = world.node(of);
    node.register_global(&runtime, name, world.node(of).observed()).unwrap();
}

fn knows(world: &World, node: &str, name: &str) -> bool {
    world.node(node).runtime.whereis(name).is_some()
}

#[test]
fn members_go_on_beside_one_that_lies() {
    play(&NAMES, QUICK, |world| {
        let lies = lies(world);
        for name in NAMES {
            let node = world.sim.lookup(name);
            // Of its own name nobody is told by others.
            let mut lies = lies.clone();
            lies.push(ack(&part(&id(world, name), &[], Some(u64::MAX - 1))));
            lies.push(ack(&part(&id(world, name), &[("name:x", u64::MAX - 1)], None)));
            world.sim.client(format!("0-lies-{name}"), async move { Ok(lie(node, lies).await?) });
        }
        world.pass(HEARTBEAT * 20);
        world.until_met(&NAMES);
        // Names are said and heard, and a member that returns is met.
        register(world, "a", "mail");
        world.until("all know the name", |world| NAMES.iter().all(|name| knows(world, name, "mail")));
        world.start_again("b");
        world.until_met(&NAMES);
        world.until("it knows the name as well", |world| knows(world, "b", "mail"));
        register(world, "b", "post");
        world.until("all know its own", |world| NAMES.iter().all(|name| knows(world, name, "post")));
    });
}
