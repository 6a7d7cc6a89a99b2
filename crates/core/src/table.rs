//! Table: where actors live. Slots that never move, found by index, told apart by generation.
//!
//! Slots lie in segments that are allocated once and kept until the table goes, so a reference to a slot stays good
//! for the table's life and a look-up is two loads. A slot's generation word says who lives in it: the generation of
//! its actor, with `PROXY` set where that is a proxy, or the next actor's with `VACANT` set. [`Table::retire_pid`] moves on to the next generation before [`Table::give_back`]
//! offers the slot again; a pid of an earlier generation therefore never finds a later actor. A slot whose generations are used
//! up is not given out again.
//!
//! The list of vacant slots runs through the slots' own link words and is touched under the `vacancies` lock only.

use crate::directory::directory;
use crate::error::{Error, ErrorKind, Result};
use crate::pid::{GENERATION_MAX, INDEX_MAX, PROXY, Pid};
use crate::sync::{AtomicPtr, AtomicU32, Mutex, Ordering};

/// Slots of a segment: 4096 cells of 96 bytes are 384 KiB, small enough to allocate at once.
#[cfg(not(any(loom, shuttle)))]
const SEGMENT_SLOTS: u32 = 1 << 12;
#[cfg(any(loom, shuttle))]
const SEGMENT_SLOTS: u32 = 2;

#[cfg(not(any(loom, shuttle)))]
const SEGMENTS_MAX: usize = ((INDEX_MAX / SEGMENT_SLOTS) + 1) as usize;
#[cfg(loom)]
const SEGMENTS_MAX: usize = 2;
#[cfg(shuttle)]
const SEGMENTS_MAX: usize = 64;

/// The most slots: a pid has no more bits for an index.
pub const ACTORS_MAX: u32 = INDEX_MAX + 1;

const VACANT: u32 = 1 << 31;
const NO_SLOT: u32 = u32::MAX;

/// What a table needs of the thing it holds: the words it keeps in each slot.
pub(crate) trait Slot {
    /// The slot of this index, that nobody lived in yet.
    fn fresh(index: u32) -> Self;
    /// Generation of the slot's actor, owned by the table.
    fn generation(&self) -> &AtomicU32;
    /// Link in the list of vacant slots, owned by the table while the slot is vacant.
    fn link(&self) -> &AtomicU32;
}

/// The generation after this one.
fn following(generation: u32) -> u32 {
    let generation = generation & !PROXY;
    if generation == GENERATION_MAX { 1 } else { generation + 1 }
}

/// Slots by index and generation.
pub(crate) struct Table<S> {
    segments: Box<[AtomicPtr<S>]>,
    vacancies: Mutex<Vacancies>,
    first_generation: u32,
    slots_max: u32,
}

struct Vacancies {
    newest: u32,
    /// Slots from here on were never given out.
    fresh: u32,
    occupations: u64,
}

impl<S: Slot> Table<S> {
    /// An empty table of so many slots at most, whose pids begin with this generation, so that two tables of one process
    /// differ.
    pub(crate) fn new(first_generation: u32, slots_max: u32) -> Self {
        Self {
            segments: directory(SEGMENTS_MAX),
            vacancies: Mutex::new(Vacancies { newest: NO_SLOT, fresh: 0, occupations: 0 }),
            first_generation: first_generation.clamp(1, GENERATION_MAX),
            slots_max,
        }
    }

    /// Takes a vacant slot. Its pid is found by [`Table::get`] from now on.
    pub(crate) fn occupy(&self) -> Result<(&S, Pid)> {
        self.occupy_as(0)
    }

    /// As [`Table::occupy`], for a proxy: its pid is one that no actor of the table can have.
    pub(crate) fn occupy_by_proxy(&self) -> Result<(&S, Pid)> {
        self.occupy_as(PROXY)
    }

    fn occupy_as(&self, kind: u32) -> Result<(&S, Pid)> {
        let mut vacancies = self.vacancies.lock();
        let index = vacancies.newest;
        if index == NO_SLOT {
            return self.occupy_fresh(&mut vacancies, kind);
        }
        let slot = self.slot(index).expect("a vacant slot was occupied before");
        vacancies.newest = slot.link().load(Ordering::Relaxed);
        vacancies.occupations += 1;
        drop(vacancies);
        let generation = slot.generation().load(Ordering::Relaxed) & !VACANT | kind;
        slot.generation().store(generation, Ordering::Release);
        Ok((slot, Pid::new(index, generation)))
    }

    fn occupy_fresh(&self, vacancies: &mut Vacancies, kind: u32) -> Result<(&S, Pid)> {
        let index = vacancies.fresh;
        if index >= self.slots_max || (index / SEGMENT_SLOTS) as usize >= SEGMENTS_MAX {
            let message = format!("this runtime holds at most {} actors at once", self.slots_max);
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        if index.is_multiple_of(SEGMENT_SLOTS) {
            let segment: Box<[S]> = (index..index + SEGMENT_SLOTS).map(S::fresh).collect();
            let first = Box::into_raw(segment).cast::<S>();
            self.segments[(index / SEGMENT_SLOTS) as usize].store(first, Ordering::Release);
        }
        vacancies.fresh += 1;
        vacancies.occupations += 1;
        let slot = self.slot(index).expect("the segment was just made");
        let generation = self.first_generation | kind;
        slot.generation().store(generation, Ordering::Release);
        Ok((slot, Pid::new(index, generation)))
    }

    /// The slot of a live pid.
    #[inline]
    pub(crate) fn get(&self, pid: Pid) -> Option<&S> {
        let slot = self.slot(pid.index())?;
        (slot.generation().load(Ordering::Acquire) == pid.generation()).then_some(slot)
    }

    /// Makes the pid stale. The slot is not given out before [`Table::give_back`].
    pub(crate) fn retire_pid(slot: &S) {
        let next = following(slot.generation().load(Ordering::Relaxed));
        slot.generation().store(next | VACANT, Ordering::Release);
    }

    /// The slot of a pid that is stale, in which nobody has lived since.
    pub(crate) fn vacated(&self, pid: Pid) -> Option<&S> {
        self.slot(pid.index()).filter(|slot| Self::is_vacated(slot, pid))
    }

    /// Whether this pid was the last that the slot had.
    pub(crate) fn is_vacated(slot: &S, pid: Pid) -> bool {
        slot.generation().load(Ordering::Acquire) == following(pid.generation()) | VACANT
    }

    /// Gives the slot to the next who asks, unless its generations are used up.
    pub(crate) fn give_back(&self, slot: &S, index: u32) {
        let mut vacancies = self.vacancies.lock();
        if slot.generation().load(Ordering::Relaxed) & !VACANT == self.first_generation {
            return;
        }
        slot.link().store(vacancies.newest, Ordering::Relaxed);
        vacancies.newest = index;
    }

    /// How often a slot was occupied so far.
    pub(crate) fn spawned(&self) -> u64 {
        self.vacancies.lock().occupations
    }

    /// Every slot that was ever occupied, with the pid of its actor where there is one now.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (&S, Option<Pid>)> {
        let fresh = self.vacancies.lock().fresh;
        (0..fresh).filter_map(|index| {
            let slot = self.slot(index)?;
            let generation = slot.generation().load(Ordering::Acquire);
            let occupied = generation & VACANT == 0 && generation != 0;
            Some((slot, occupied.then(|| Pid::new(index, generation))))
        })
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&S> {
        let first = self.segments.get((index / SEGMENT_SLOTS) as usize)?.load(Ordering::Acquire);
        if first.is_null() {
            return None;
        }
        // SAFETY: a segment has SEGMENT_SLOTS slots and lives until the table is dropped.
        Some(unsafe { &*first.add((index % SEGMENT_SLOTS) as usize) })
    }
}

impl<S> Drop for Table<S> {
    fn drop(&mut self) {
        for segment in &self.segments {
            let first = segment.load(Ordering::Acquire);
            if !first.is_null() {
                // SAFETY: made by `Box::into_raw` of a slice of this length, and nobody else is left.
                drop(unsafe {
                    Box::from_raw(std::ptr::slice_from_raw_parts_mut(first, SEGMENT_SLOTS as usize))
                });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::pid::PID_MAX;

    struct Plain(AtomicU32, AtomicU32);

    impl Slot for Plain {
        fn fresh(_: u32) -> Self {
            Self(AtomicU32::new(0), AtomicU32::new(0))
        }
        fn generation(&self) -> &AtomicU32 {
            &self.0
        }
        fn link(&self) -> &AtomicU32 {
            &self.1
        }
    }

    fn vacate(table: &Table<Plain>, pid: Pid) {
        let slot = table.get(pid).expect("a live pid");
        Table::retire_pid(slot);
        table.give_back(slot, pid.index());
    }

    #[test]
    fn a_pid_is_never_given_twice() {
        let table = Table::<Plain>::new(1, ACTORS_MAX);
        let (_, first) = table.occupy().unwrap();
        vacate(&table, first);
        let (_, second) = table.occupy().unwrap();
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert!(table.get(first).is_none());
        assert!(table.get(second).is_some());
    }

    #[test]
    fn a_proxy_and_an_actor_of_one_slot_are_told_apart() {
        let table = Table::<Plain>::new(GENERATION_MAX, ACTORS_MAX);
        let (_, proxy) = table.occupy_by_proxy().unwrap();
        assert!(proxy.is_proxy());
        assert!(table.get(proxy).is_some());
        let raw = Pid::from_u64(proxy.get() & PID_MAX).unwrap();
        assert!(table.get(raw).is_none());
        vacate(&table, proxy);
        let (_, actor) = table.occupy().unwrap();
        assert_eq!((actor.index(), actor.generation()), (proxy.index(), 1));
        assert!(!actor.is_proxy() && table.get(proxy).is_none());
        vacate(&table, actor);
        let (_, second) = table.occupy_by_proxy().unwrap();
        assert_eq!(table.slots().filter_map(|(_, pid)| pid).collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn a_slot_with_used_up_generations_is_retired() {
        let table = Table::<Plain>::new(GENERATION_MAX, ACTORS_MAX);
        let (_, first) = table.occupy().unwrap();
        vacate(&table, first);
        let (slot, second) = table.occupy().unwrap();
        assert_eq!(second.generation(), 1);
        slot.generation().store(GENERATION_MAX - 1, Ordering::Relaxed);
        vacate(&table, Pid::new(second.index(), GENERATION_MAX - 1));
        let (_, third) = table.occupy().unwrap();
        assert_ne!(third.index(), second.index());
        assert_eq!(table.slots().filter(|(_, pid)| pid.is_some()).count(), 1);
    }

    #[test]
    fn a_table_gives_no_more_slots_than_it_may() {
        let table = Table::<Plain>::new(1, 2);
        let first = table.occupy().unwrap().1;
        table.occupy_by_proxy().unwrap();
        let refused = table.occupy().err().map(|error| error.kind());
        assert_eq!(refused, Some(ErrorKind::LimitReached));
        vacate(&table, first);
        assert_eq!(table.occupy().unwrap().1.index(), first.index());
        assert!(table.occupy_by_proxy().is_err());
        assert_eq!(table.spawned(), 3);
    }

    #[test]
    fn many_segments_hold_many_actors() {
        let table = Table::<Plain>::new(9, ACTORS_MAX);
        let pids: Vec<Pid> = (0..10_000).map(|_| table.occupy().unwrap().1).collect();
        assert!(pids.iter().all(|pid| table.get(*pid).is_some()));
        assert_eq!(table.slots().filter(|(_, pid)| pid.is_some()).count(), 10_000);
    }
}

#[cfg(all(test, loom))]
mod model {
    //! Look-ups beside occupation and reuse: a stale pid finds nothing, a live one its own slot.

    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    struct Plain {
        generation: AtomicU32,
        link: AtomicU32,
    }

    impl Slot for Plain {
        fn fresh(_: u32) -> Self {
            Self { generation: AtomicU32::new(0), link: AtomicU32::new(0) }
        }
        fn generation(&self) -> &AtomicU32 {
            &self.generation
        }
        fn link(&self) -> &AtomicU32 {
            &self.link
        }
    }

    #[test]
    fn a_stale_pid_finds_nothing_while_its_slot_is_reused() {
        loom::model(|| {
            let table = Arc::new(Table::<Plain>::new(1, ACTORS_MAX));
            let (slot, old) = table.occupy().expect("room");
            Table::retire_pid(slot);
            table.give_back(slot, old.index());
            let shared = Arc::clone(&table);
            let reuser = thread::spawn(move || shared.occupy().expect("room").1);
            assert!(table.get(old).is_none());
            let new = reuser.join().expect("the reuser");
            assert_ne!(old, new);
            assert!(table.get(old).is_none());
            assert!(table.get(new).is_some());
        });
    }

    #[test]
    fn whoever_looks_while_a_slot_changes_hands_finds_its_own_actor_or_nothing() {
        loom::model(|| {
            let table = Arc::new(Table::<Plain>::new(1, ACTORS_MAX));
            let old = table.occupy().expect("room").1;
            let (remover, looker) = (Arc::clone(&table), Arc::clone(&table));
            let remover = thread::spawn(move || {
                let slot = remover.get(old).expect("nobody else removes it");
                Table::retire_pid(slot);
                remover.give_back(slot, old.index());
            });
            let looker = thread::spawn(move || looker.get(old).map(|slot| std::ptr::from_ref(slot) as usize));
            // A slot that is given back meanwhile or a fresh one; and the other if there is a second.
            let new = [(); 2].map(|()| table.occupy().expect("room").1);
            let found = looker.join().expect("the looker");
            remover.join().expect("the remover");
            assert!(table.get(old).is_none());
            assert_ne!(new[0].index(), new[1].index(), "one slot was given to two");
            let slots = new.map(|pid| std::ptr::from_ref(table.get(pid).expect("it lives")) as usize);
            let first = std::ptr::from_ref(table.slot(old.index()).expect("its slot")) as usize;
            assert!(found.is_none_or(|found| found == first));
            assert!(!new.contains(&old) && slots[0] != slots[1]);
            assert_eq!(table.slots().filter(|(_, pid)| pid.is_some()).count(), 2);
        });
    }

    #[test]
    fn two_who_occupy_get_two_slots() {
        loom::model(|| {
            let table = Arc::new(Table::<Plain>::new(1, ACTORS_MAX));
            let shared = Arc::clone(&table);
            let other = thread::spawn(move || shared.occupy().expect("room").1);
            let mine = table.occupy().expect("room").1;
            let other = other.join().expect("the other");
            assert_ne!(mine.index(), other.index());
            assert!(table.get(mine).is_some() && table.get(other).is_some());
        });
    }
}
