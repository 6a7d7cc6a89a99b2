//! What clocks that jump, or are wrong, do to nodes in a simulated network: nothing that lasts.

use std::time::Duration;

use super::simulation::{HEARTBEAT, Start, World, play};
use crate::pid::Pid;

const QUICK: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_node_whose_clock_was_set_back_is_found_again() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.actor("b", "mail");
        let (watcher, _) = world.watch("a", "b", "mail");
        let before = world.node("b").node.incarnation;
        // Nothing of its end is heard: the others still have the connection with its later start.
        world.sim.partition("b", "a");
        world.sim.partition("b", "c");
        world.sim.crash("b");
        world.sim.repair("b", "a");
        world.sim.repair("b", "c");
        world.set_back("b", HOUR);
        world.start_again("b");
        let now = world.node("b").node.incarnation;
        assert!(now < before);
        let took = world.until("the others know its earlier start", |world| {
            ["a", "c"].iter().all(|name| world.node(name).node.has_met("b", now))
        });
        assert!(took <= HEARTBEAT * 20, "it took {took:?}");
        assert!(world.is_down("a", watcher));
        world.actor("b", "mail");
        let proxy = world.resolve("a", "b", "mail");
        world.pass(HEARTBEAT * 40);
        assert!(world.node("a").runtime.is_alive(proxy));
        world.until_met(&["a", "b", "c"]);
    });
}

/// The owner of a name that a node registers now.
fn owner(world: &World, of: &str) -> Pid {
    let Start { runtime, node, .. } = world.node(of);
    let owner = world.node(of).observed();
    node.register_global(&runtime, "mail", owner).unwrap();
    owner
}

#[test]
fn a_global_name_has_one_owner_whatever_clocks_say() {
    play(&["a", "b", "c"], QUICK, |world| {
        world.set_back("c", HOUR);
        world.sim.partition("a", "c");
        world.sim.partition("b", "c");
        world.until("c is alone", |world| world.node("c").sees().is_empty());
        let first = owner(world, "a");
        world.pass(HEARTBEAT * 10);
        let second = owner(world, "c");
        world.sim.repair("a", "c");
        world.sim.repair("b", "c");
        world.until_met(&["a", "b", "c"]);
        // By its clock it was an hour before.
        world.until("one owner ended", |world| !world.node("a").runtime.is_alive(first));
        let knows = |world: &World, name: &str| world.node(name).runtime.whereis("mail");
        world.until("all know the other", |world| {
            ["a", "b"].iter().all(|name| knows(world, name).is_some_and(Pid::is_proxy))
        });
        world.pass(HEARTBEAT * 20);
        assert!(world.node("c").runtime.is_alive(second));
        assert_eq!(knows(world, "c"), Some(second));
    });
}
