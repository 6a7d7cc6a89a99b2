//! Tests of the wheel: tables for what is easily wrong, and any sequence of calls beside a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn wheel() -> Wheel<u32> {
    Wheel::new(|value| *value)
}

fn once(deadline: u64) -> Schedule {
    Schedule { deadline, ..Schedule::default() }
}

fn every(deadline: u64, period: u64) -> Schedule {
    Schedule { deadline, period: NonZeroU64::new(period), owner: None }
}

fn pid(number: u32) -> Pid {
    Pid::new(number, 1)
}

fn advance(wheel: &mut Wheel<u32>, now: u64) -> Vec<(u64, u32)> {
    let mut fired = Vec::new();
    while wheel.advance(now, usize::MAX, &mut fired) {}
    fired.into_iter().map(|fired| (fired.deadline, fired.value)).collect()
}

#[test]
fn fires_at_the_deadline_and_not_before() {
    let year = 365 * 24 * 3600 * 1000;
    for start in [0, 1, 63, 64, 4095, 4096, 262_143, 1 << 36, (1 << 36) - 1, year * 30] {
        for delay in
            [1, 62, 63, 64, 65, 127, 4095, 4096, 4097, 262_144, 1 << 24, (1 << 36) - 1, 1 << 36, 1 << 37]
        {
            let mut wheel = wheel();
            assert_eq!(advance(&mut wheel, start), []);
            wheel.insert(start, once(start + delay), 7).unwrap();
            assert_eq!(advance(&mut wheel, start + delay - 1), [], "{start} + {delay}");
            assert!(wheel.next_wake().is_some_and(|wake| wake <= start + delay));
            assert_eq!(advance(&mut wheel, start + delay), [(start + delay, 7)], "{start} + {delay}");
            assert_eq!((wheel.len(), wheel.next_wake()), (0, None));
        }
    }
}

#[test]
fn what_is_overdue_fires_at_once() {
    let mut wheel = wheel();
    wheel.insert(100, once(100), 1).unwrap();
    wheel.insert(100, once(3), 2).unwrap();
    assert_eq!(wheel.next_wake(), Some(100));
    assert_eq!(advance(&mut wheel, 100), [(100, 1), (3, 2)]);
}

#[test]
fn the_largest_deadline_is_kept() {
    let mut wheel = wheel();
    let id = wheel.insert(5, once(u64::MAX), 1).unwrap();
    wheel.insert(5, every(1 << 53, 1 << 53), 2).unwrap();
    assert_eq!(advance(&mut wheel, (1 << 53) - 1), []);
    assert_eq!(advance(&mut wheel, 1 << 53), [(1 << 53, 2)]);
    assert_eq!(wheel.cancel(id), Some(1));
    assert_eq!(wheel.len(), 1);
}

#[test]
fn a_periodic_timer_keeps_its_beat_and_skips_what_it_missed() {
    let mut wheel = wheel();
    let id = wheel.insert(0, every(10, 10), 1).unwrap();
    assert_eq!(advance(&mut wheel, 9), []);
    assert_eq!(advance(&mut wheel, 13), [(10, 1)]);
    assert_eq!(advance(&mut wheel, 20), [(20, 1)]);
    assert_eq!(advance(&mut wheel, 75), [(30, 1)]);
    assert_eq!(advance(&mut wheel, 79), []);
    assert_eq!(advance(&mut wheel, 80), [(80, 1)]);
    assert_eq!(wheel.cancel(id), Some(1));
    assert_eq!(wheel.cancel(id), None);
}

#[test]
fn an_old_id_never_cancels_a_new_timer() {
    let mut wheel = wheel();
    let mut old = Vec::new();
    for value in 0..10_000 {
        let id = wheel.insert(0, once(5), value).unwrap();
        assert!(id.get() < 1 << 53);
        assert_eq!(wheel.cancel(id), Some(value));
        old.push(id);
    }
    let id = wheel.insert(0, once(5), 1).unwrap();
    assert!(old.iter().all(|&old| old != id && wheel.cancel(old).is_none()));
    assert_eq!(wheel.len(), 1);
}

#[test]
fn an_emptied_wheel_gives_its_memory_back_and_keeps_old_ids_dead() {
    let mut wheel = wheel();
    let ids: Vec<_> = (0..100_000).map(|value| wheel.insert(0, once(9), value).unwrap()).collect();
    assert!(wheel.slab.capacity() >= 100_000);
    assert_eq!(advance(&mut wheel, 9).len(), 100_000);
    drop(wheel.take_unused().expect("a large wheel that is empty"));
    assert_eq!(wheel.slab.capacity(), 0);
    wheel.insert(10, once(20), 1).unwrap();
    assert!(ids.iter().all(|&id| wheel.cancel(id).is_none()));
    assert_eq!(advance(&mut wheel, 20), [(20, 1)]);
}

#[test]
fn an_owner_takes_its_timers_along() {
    let mut wheel = wheel();
    let mut ids = Vec::new();
    for value in 0..6 {
        let owner = Some(pid(value % 2));
        let deadline = u64::from(value) * 100;
        ids.push(wheel.insert(0, Schedule { deadline, period: None, owner }, value).unwrap());
    }
    assert_eq!(wheel.cancel(ids[2]), Some(2));
    let mut values = wheel.cancel_owner(pid(0));
    values.sort_unstable();
    assert_eq!(values, [0, 4]);
    assert_eq!(wheel.cancel_owner(pid(0)), []);
    assert_eq!(advance(&mut wheel, 1000), [(100, 1), (300, 3), (500, 5)]);
    assert!(wheel.owners.is_empty());
}

#[test]
fn work_is_done_in_steps() {
    let mut wheel = wheel();
    for value in 0..1000 {
        wheel.insert(0, once(5000), value).unwrap();
    }
    let (mut fired, mut turns) = (Vec::new(), 0);
    while wheel.advance(5000, 10, &mut fired) {
        turns += 1;
        assert!(fired.len() <= 10 * turns);
        assert!(wheel.next_wake().is_some_and(|wake| wake <= 5000));
    }
    assert_eq!(fired.len(), 1000);
    assert!((100..500).contains(&turns), "{turns}");
}

#[test]
fn cleared_is_empty() {
    let mut wheel = wheel();
    let id = wheel.insert(0, Schedule { deadline: 70, period: None, owner: Some(pid(1)) }, 1).unwrap();
    assert_eq!(wheel.clear(), [1]);
    assert_eq!((wheel.len(), wheel.next_wake(), wheel.cancel(id)), (0, None, None));
    assert_eq!(advance(&mut wheel, 100), []);
}

#[derive(Clone, Debug)]
enum Call {
    Insert { delay: u64, period: u64, owner: u32 },
    Cancel(usize),
    CancelOwner(u32),
    Advance { by: u64, steps_max: usize },
}

fn delays() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..200_u64, 3 => 0..10_000_u64, 2 => 0..2_000_000_u64, 1 => 0..(1_u64 << 38)]
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (delays(), prop_oneof![3 => Just(0), 1 => 1..5000_u64], 0..5_u32)
            .prop_map(|(delay, period, owner)| Call::Insert { delay, period, owner }),
        2 => any::<usize>().prop_map(Call::Cancel),
        1 => (1..5_u32).prop_map(Call::CancelOwner),
        4 => (delays(), prop_oneof![Just(usize::MAX), 1..5_usize])
            .prop_map(|(by, steps_max)| Call::Advance { by, steps_max }),
    ]
}

/// The same timers in a sorted map; `0` stands for no period and no owner.
#[derive(Default)]
struct Model {
    timers: BTreeMap<u32, (u64, u64, u32)>,
}

impl Model {
    fn advance(&mut self, now: u64) -> Vec<(u64, u32)> {
        let mut fired = Vec::new();
        self.timers.retain(|&value, (deadline, period, _)| {
            if *deadline > now {
                return true;
            }
            fired.push((*deadline, value));
            if *period == 0 {
                return false;
            }
            while *deadline <= now {
                *deadline += *period * ((now - *deadline) / *period).max(1);
            }
            true
        });
        fired
    }
}

proptest! {
    #[test]
    fn any_calls_do_what_a_sorted_map_does(calls in prop::collection::vec(calls(), 1..120)) {
        let (mut wheel, mut model, mut now) = (wheel(), Model::default(), 0);
        let mut ids = Vec::new();
        for call in calls {
            match call {
                Call::Insert { delay, period, owner } => {
                    let value = u32::try_from(ids.len()).unwrap();
                    let schedule = Schedule {
                        deadline: now + delay,
                        period: NonZeroU64::new(period),
                        owner: (owner != 0).then(|| pid(owner)),
                    };
                    ids.push(wheel.insert(now, schedule, value).unwrap());
                    model.timers.insert(value, (now + delay, period, owner));
                }
                Call::Cancel(pick) => {
                    if !ids.is_empty() {
                        let value = pick % ids.len();
                        let expected = model.timers.remove(&u32::try_from(value).unwrap()).is_some();
                        prop_assert_eq!(wheel.cancel(ids[value]).is_some(), expected);
                    }
                }
                Call::CancelOwner(owner) => {
                    let before = model.timers.len();
                    model.timers.retain(|_, timer| timer.2 != owner);
                    prop_assert_eq!(wheel.cancel_owner(pid(owner)).len(), before - model.timers.len());
                }
                Call::Advance { by, steps_max } => {
                    now += by;
                    let mut fired = Vec::new();
                    while wheel.advance(now, steps_max, &mut fired) {}
                    prop_assert!(fired.is_sorted_by_key(|fired| fired.deadline));
                    let mut fired: Vec<_> = fired.iter().map(|fired| (fired.deadline, fired.value)).collect();
                    fired.sort_unstable();
                    let mut expected = model.advance(now);
                    expected.sort_unstable();
                    prop_assert_eq!(fired, expected);
                }
            }
            prop_assert_eq!(wheel.len(), model.timers.len());
            let earliest = model.timers.values().map(|timer| timer.0).min();
            prop_assert_eq!(wheel.next_wake().is_some(), earliest.is_some());
            prop_assert!(wheel.next_wake() <= earliest.map(|deadline| deadline.max(now)));
        }
    }
}
