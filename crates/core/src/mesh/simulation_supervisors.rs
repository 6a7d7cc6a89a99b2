//! What supervisors do in a simulated network: whatever becomes of the nodes of their children, they find them again.

use std::sync::Arc;
use std::time::Duration;

use super::simulation::{HEARTBEAT, PORT, Start, World, play};
use crate::child::{Factory, StartDone};
use crate::error::Result;
use crate::exit::Failure;
use crate::message::Incoming;
use crate::options::SupervisorOptions;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::strategy::Strategy;

const QUICK: Duration = Duration::from_millis(20);
/// The name of each child at its own node.
const SERVICE: &str = "service";

/// Looks the service of a node up again.
struct Finds {
    runtime: Runtime,
    address: String,
}

impl Factory for Finds {
    fn start(&self, done: StartDone) {
        let complete = move |outcome: Result<Option<Pid>>| {
            done.complete(match outcome {
                Ok(Some(pid)) => Ok(pid),
                Ok(None) => Err(Failure::new("Unresolved", "nobody has the name")),
                Err(error) => Err(Failure::new("Unresolved", error.to_string())),
            });
        };
        self.runtime.resolve_remote_with(&self.address, SERVICE, Box::new(complete));
    }
}

/// A supervisor at node `a`, with the services of others as children.
struct Supervised {
    runtime: Runtime,
    supervisor: Pid,
    nodes: &'static [&'static str],
    sent: u64,
}

impl Supervised {
    fn new(world: &mut World, nodes: &'static [&'static str], strategy: Strategy) -> Self {
        let Start { runtime, .. } = world.node("a");
        // Restarts for as long as it takes: what is counted here is that it heals.
        let options = SupervisorOptions { strategy, intensity: u32::MAX, ..SupervisorOptions::default() };
        let supervisor = runtime.spawn_supervisor(options).unwrap();
        for node in nodes {
            world.actor(node, SERVICE);
            let child = world.resolve("a", node, SERVICE);
            let address = format!("{}:{PORT}", world.sim.lookup(*node));
            let factory = Arc::new(Finds { runtime: runtime.downgrade(), address });
            runtime.supervise_with_factory(supervisor, child, factory, strategy).unwrap();
        }
        Self { runtime, supervisor, nodes, sent: 0 }
    }

    fn children(&self) -> Vec<Pid> {
        self.runtime.child_pids(self.supervisor).expect("the supervisor lives")
    }

    fn child(&self, of: &str) -> Pid {
        self.children()[self.nodes.iter().position(|node| *node == of).unwrap()]
    }

    /// Waits until the child of this node is another one than before, which lives, and that its messages arrive.
    fn until_healed(&mut self, world: &mut World, node: &str, before: Pid) {
        let took = world.until("the supervisor has found the service again", |_| {
            let child = self.child(node);
            child != before && self.runtime.is_alive(child)
        });
        assert!(took <= Duration::from_secs(10), "it took {took:?}");
        self.reaches(world, node);
    }

    fn reaches(&mut self, world: &mut World, node: &str) {
        self.sent += 1;
        let service = world.node(node).runtime.whereis(SERVICE).unwrap();
        self.runtime.send(self.child(node), self.sent.to_be_bytes().to_vec().into()).unwrap();
        world.until("the message arrives", |world| {
            world.node(node).told(service).iter().any(|incoming| match incoming {
                Incoming::User(message) => {
                    assert_eq!(message.payload().as_slice(), self.sent.to_be_bytes());
                    true
                }
                Incoming::System(notice) => panic!("nobody told {notice:?}"),
            })
        });
    }
}

fn until_gone(world: &mut World, supervised: &Supervised, child: Pid) {
    world.until("the child is gone", |_| !supervised.runtime.is_alive(child));
}

#[test]
fn a_supervisor_finds_what_a_partition_or_a_crash_took() {
    play(&["a", "b", "c"], QUICK, |world| {
        let mut supervised = Supervised::new(world, &["b", "c"], Strategy::OneForOne);
        let kept = supervised.child("c");
        let first = supervised.child("b");
        world.sim.partition("a", "b");
        until_gone(world, &supervised, first);
        world.pass(HEARTBEAT * 40);
        world.sim.repair("a", "b");
        supervised.until_healed(world, "b", first);

        for (from, to) in [("a", "b"), ("b", "a")] {
            let before = supervised.child("b");
            world.sim.partition_oneway(from, to);
            until_gone(world, &supervised, before);
            world.pass(HEARTBEAT * 20);
            world.sim.repair_oneway(from, to);
            supervised.until_healed(world, "b", before);
        }

        let before = supervised.child("b");
        world.sim.crash("b");
        until_gone(world, &supervised, before);
        world.pass(HEARTBEAT * 20);
        world.start_again("b");
        world.actor("b", SERVICE);
        supervised.until_healed(world, "b", before);
        // None of it concerned the other child.
        assert_eq!(supervised.child("c"), kept);
        supervised.reaches(world, "c");
    });
}

#[test]
fn a_supervisor_finds_the_services_of_hosts_that_bounce() {
    play(&["a", "b", "c"], QUICK, |world| {
        let mut supervised = Supervised::new(world, &["b", "c"], Strategy::OneForOne);
        for node in ["b", "c", "b"] {
            let before = supervised.child(node);
            world.start_again(node);
            world.pass(HEARTBEAT * 4);
            // Found as soon as it is there, however often it was not.
            world.actor(node, SERVICE);
            supervised.until_healed(world, node, before);
        }
        let before = supervised.children();
        world.start_again("b");
        world.start_again("c");
        for (node, before) in ["b", "c"].into_iter().zip(before) {
            world.actor(node, SERVICE);
            supervised.until_healed(world, node, before);
        }
        world.pass(HEARTBEAT * 20);
        assert!(supervised.children().into_iter().all(|child| supervised.runtime.is_alive(child)));
    });
}

#[test]
fn one_for_all_finds_all_anew_when_one_is_lost() {
    play(&["a", "b", "c"], QUICK, |world| {
        let mut supervised = Supervised::new(world, &["b", "c"], Strategy::OneForAll);
        let before = supervised.children();
        let stopped = world.node("c").runtime.whereis(SERVICE).unwrap();
        world.sim.partition("a", "b");
        until_gone(world, &supervised, before[0]);
        world.until("the other is stopped at its node", |world| !world.node("c").runtime.is_alive(stopped));
        world.actor("c", SERVICE);
        world.pass(HEARTBEAT * 20);
        world.sim.repair("a", "b");
        for (node, before) in ["b", "c"].into_iter().zip(before) {
            supervised.until_healed(world, node, before);
        }
    });
}
