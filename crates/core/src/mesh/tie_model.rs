//! Two nodes that dial each other, several times at once, in every order in which what they say can arrive, while connections
//! break: neither ever gives up a connection that the other holds, and when all is said both hold the same one.

use std::collections::{HashSet, VecDeque};

use super::{Place, decide, follow};
use crate::mesh::hello::Refused;

const INCARNATION: u64 = 1;
/// The node that decides, and the one that follows.
const DECIDES: usize = 0;
const FOLLOWS: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Said {
    Hello(u64),
    Ready(u64),
    /// A refusal, or the end of the stream.
    Closed,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Dial {
    by: usize,
    begun: bool,
    /// What is on the way to each node.
    to: [VecDeque<Said>; 2],
    /// Which node has closed it.
    closed: [bool; 2],
}

/// A connection by its dial, and its place.
type Held = Option<(usize, Place)>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    dials: Vec<Dial>,
    made: [Held; 2],
    promised: Held,
    serial: u64,
    breaks: usize,
}

impl World {
    fn new(by: &[usize], breaks: usize) -> Self {
        let dial = |by: &usize| Dial { by: *by, begun: false, to: Default::default(), closed: [false; 2] };
        let dials = by.iter().map(dial).collect();
        Self { dials, made: [None; 2], promised: None, serial: 0, breaks }
    }

    /// Every world that may come next; empty when all is said.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for at in 0..self.dials.len() {
            if !self.dials[at].begun {
                let mut world = self.clone();
                world.dials[at].begun = true;
                world.say(at, self.dials[at].by, Said::Hello(0));
                worlds.push(world);
            }
            for node in [DECIDES, FOLLOWS] {
                if !self.dials[at].to[node].is_empty() {
                    let mut world = self.clone();
                    let said = world.dials[at].to[node].pop_front().unwrap();
                    world.hear(at, node, said);
                    worlds.push(world);
                }
                if self.breaks > 0 && self.dials[at].begun && !self.dials[at].closed[node] {
                    let mut world = self.clone();
                    world.breaks -= 1;
                    world.close(at, node);
                    worlds.push(world);
                }
            }
        }
        worlds
    }

    fn say(&mut self, at: usize, by: usize, said: Said) {
        self.dials[at].to[1 - by].push_back(said);
    }

    fn close(&mut self, at: usize, node: usize) {
        if std::mem::replace(&mut self.dials[at].closed[node], true) {
            return;
        }
        self.made[node] = self.made[node].filter(|(made, _)| *made != at);
        if node == DECIDES {
            self.promised = self.promised.filter(|(promised, _)| *promised != at);
        }
        self.say(at, node, Said::Closed);
    }

    fn decide(&mut self) -> Result<Place, Refused> {
        let place = |held: Held| held.map(|(_, place)| place);
        decide(place(self.made[DECIDES]), place(self.promised), INCARNATION)?;
        self.serial += 1;
        Ok(Place { incarnation: INCARNATION, serial: self.serial })
    }

    fn make(&mut self, at: usize, node: usize, place: Place) {
        if let Some((replaced, _)) = self.made[node] {
            assert!(self.dials[replaced].closed[1 - node], "a connection is given up that the other holds");
            self.close(replaced, node);
        }
        self.made[node] = Some((at, place));
    }

    fn follow(&mut self, at: usize, serial: u64) -> bool {
        let decided = Place { incarnation: INCARNATION, serial };
        if follow(self.made[FOLLOWS].map(|(_, place)| place), decided).is_ok() {
            self.make(at, FOLLOWS, decided);
            return true;
        }
        assert!(self.dials[at].closed[DECIDES], "a connection is refused that was decided on");
        self.close(at, FOLLOWS);
        false
    }

    fn hear(&mut self, at: usize, node: usize, said: Said) {
        if self.dials[at].closed[node] {
            return;
        }
        let is_dialler = self.dials[at].by == node;
        match (said, node, is_dialler) {
            (Said::Closed, ..) => self.close(at, node),
            (Said::Hello(_), DECIDES, true) => match self.decide() {
                Ok(place) => {
                    self.make(at, node, place);
                    self.say(at, node, Said::Ready(place.serial));
                }
                Err(_) => self.close(at, node),
            },
            (Said::Hello(_), DECIDES, false) => match self.decide() {
                Ok(place) => {
                    self.promised = Some((at, place));
                    self.say(at, node, Said::Hello(place.serial));
                }
                Err(_) => self.close(at, node),
            },
            (Said::Ready(_), DECIDES, _) => {
                let (promised, place) =
                    self.promised.take().expect("the promise is kept until it is confirmed");
                assert_eq!(promised, at);
                self.make(at, node, place);
            }
            (Said::Hello(serial), FOLLOWS, true) => {
                if self.follow(at, serial) {
                    self.say(at, node, Said::Ready(0));
                }
            }
            (Said::Hello(_), _, _) => self.say(at, node, Said::Hello(0)),
            (Said::Ready(serial), _, _) => {
                self.follow(at, serial);
            }
        }
    }
}

/// Plays every order, and returns how many different worlds there were.
fn play(by: &[usize], breaks: usize) -> usize {
    let (mut seen, mut open) = (HashSet::new(), vec![World::new(by, breaks)]);
    while let Some(world) = open.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        let next = world.next();
        let is_over = world.dials.iter().all(|dial| dial.begun && dial.to.iter().all(VecDeque::is_empty));
        if is_over {
            let [one, other] = world.made;
            assert_eq!(one, other, "both hold the same connection");
            assert!(one.is_some() || world.breaks < breaks, "nothing broke, and there is none");
        }
        open.extend(next);
    }
    seen.len()
}

#[test]
fn of_several_dials_at_once_one_is_made() {
    for by in [
        &[DECIDES][..],
        &[FOLLOWS],
        &[DECIDES, FOLLOWS],
        &[FOLLOWS, FOLLOWS],
        &[DECIDES, DECIDES],
        &[DECIDES, FOLLOWS, FOLLOWS],
        &[DECIDES, DECIDES, FOLLOWS],
    ] {
        assert!(play(by, 0) > 4 * by.len());
    }
}

#[test]
fn a_connection_that_breaks_is_followed_by_another() {
    for by in
        [&[DECIDES, FOLLOWS][..], &[FOLLOWS, FOLLOWS], &[DECIDES, DECIDES], &[DECIDES, FOLLOWS, FOLLOWS]]
    {
        assert!(play(by, 1) > 4 * by.len());
    }
}
