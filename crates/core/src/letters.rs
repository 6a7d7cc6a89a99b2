//! Dead letters: what could not be delivered is counted by reason, and told to whoever listens.

use crate::counters::Dropped;
use crate::message::{Message, SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::send::Refusal;
use crate::shared::Shared;
use crate::sync::Ordering;

impl Shared {
    #[cold]
    pub(crate) fn refuse(&self, pid: Pid, refusal: Refusal, message: Message) -> (Refusal, Message) {
        let reason = if refusal == Refusal::NoProcess { Dropped::NoProcess } else { Dropped::MailboxFull };
        self.count_dropped(pid, &message, reason);
        (refusal, message)
    }

    /// Counts a message that would have to wait and does not.
    pub(crate) fn refuse_full(&self, pid: Pid, message: Message) -> Message {
        self.refuse(pid, Refusal::Full, message).1
    }

    /// Counts a message that was accepted and is not handled, and drops it.
    #[cold]
    pub(crate) fn drop_message(&self, pid: Pid, message: Message, reason: Dropped) {
        self.count_dropped(pid, &message, reason);
        quietly("the drop of a message", || drop(message));
    }

    fn count_dropped(&self, pid: Pid, message: &Message, reason: Dropped) {
        self.count_lost(pid, Some(message.payload().as_slice()), reason);
    }

    /// Counts a message that is lost, and tells whoever listens; one that was lost on its way is not at hand.
    pub(crate) fn count_lost(&self, pid: Pid, bytes: Option<&[u8]>, reason: Dropped) {
        self.counters.drop_one(reason);
        let Some(listener) = Pid::from_u64(self.dead_letter_listener.load(Ordering::Relaxed)) else { return };
        if listener == pid {
            return;
        }
        let mut letter = SystemMessage::new(SystemKind::DeadLetter);
        letter.target_pid = Some(pid);
        letter.detail = Some(reason.name());
        letter.data = bytes.map(bytes::Bytes::copy_from_slice);
        self.tell(listener, letter);
    }

    pub(crate) fn listen_dead_letters(&self, listener: Option<Pid>) {
        self.dead_letter_listener.store(listener.map_or(0, Pid::get), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::context::Context;
    use crate::details::Waiter;
    use crate::error::Result;
    use crate::lane::LaneHost;
    use crate::message::Incoming;
    use crate::options::SpawnOptions;
    use crate::runtime::Runtime;
    use crate::{Flow, Payload};

    /// A message that reads a mailbox when it goes.
    struct Letter {
        runtime: Runtime,
        reads: Pid,
        gone: Arc<AtomicUsize>,
    }

    impl AsRef<[u8]> for Letter {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; 100]
        }
    }

    impl Drop for Letter {
        fn drop(&mut self) {
            drop(self.runtime.take_observed(self.reads));
            self.gone.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Host;

    impl LaneHost for Host {
        fn wake(&self) {}
    }

    impl Waiter for Host {
        fn wake(&self) {}
    }

    /// Has a message that was sent to an earlier actor of its slot arrive at an actor, which `read` makes look.
    fn arrives_late<T>(
        spawn: impl Fn(&Runtime) -> Result<T>,
        pid: impl Fn(&T) -> Pid,
        read: impl Fn(&mut T),
    ) {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.spawn_observed(SpawnOptions::default()).expect("a listener");
        runtime.listen_dead_letters(Some(listener)).expect("it lives");
        let earlier = runtime.spawn_observed(SpawnOptions::default()).expect("an actor");
        let cell = runtime.shared().cell(earlier).expect("it lives");
        runtime.stop(earlier);
        let mut others = Vec::new();
        let mut later = loop {
            let actor = spawn(&runtime).expect("an actor");
            if pid(&actor).index() == earlier.index() {
                break actor;
            }
            others.push(actor);
        };
        let gone = Arc::new(AtomicUsize::new(0));
        let letter = Letter { runtime: runtime.downgrade(), reads: pid(&later), gone: Arc::clone(&gone) };
        let payload = Payload::from(Bytes::from_owner(letter));
        assert!(runtime.shared().deliver_to(cell, earlier, Message::new(payload)).is_ok());
        read(&mut later);
        assert_eq!(gone.load(Ordering::Relaxed), 1);
        let told = runtime.take_observed(listener).expect("the listener lives");
        let [Incoming::System(letter)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((letter.target_pid, letter.detail), (Some(earlier), Some(Dropped::ActorExited.name())));
        assert_eq!(runtime.stats().queued, 0);
    }

    #[test]
    fn a_late_message_is_a_dead_letter_of_whom_it_was_sent_to_for_an_observed_actor() {
        arrives_late(
            |runtime| Ok((runtime.downgrade(), runtime.spawn_observed(SpawnOptions::default())?)),
            |(_, pid)| *pid,
            |(runtime, pid)| assert!(runtime.take_observed(*pid).expect("it lives").is_empty()),
        );
    }

    #[test]
    fn a_late_message_is_a_dead_letter_of_whom_it_was_sent_to_for_a_handler() {
        arrives_late(
            |runtime| {
                let lane = runtime.add_lane(Arc::new(Host))?;
                let options = SpawnOptions { lane: lane.id(), ..SpawnOptions::default() };
                let handler = |_: &Context<'_>, message: Message| -> Flow { panic!("handled {message:?}") };
                let pid = runtime.spawn(handler, options)?;
                Ok((lane, pid))
            },
            |(_, pid)| *pid,
            |(lane, _)| assert!(lane.drain_one()),
        );
    }

    #[test]
    fn a_late_message_is_a_dead_letter_of_whom_it_was_sent_to_for_a_pull_actor() {
        arrives_late(
            |runtime| runtime.spawn_pull(SpawnOptions::default(), Arc::new(Host)),
            |mailbox| mailbox.pid(),
            |mailbox| assert!(matches!(mailbox.try_recv(), crate::Received::Empty)),
        );
    }

    #[test]
    fn a_late_message_is_a_dead_letter_of_whom_it_was_sent_to_for_an_actor_that_ends() {
        arrives_late(
            |runtime| Ok((runtime.downgrade(), runtime.spawn_observed(SpawnOptions::default())?)),
            |(_, pid)| *pid,
            |(runtime, pid)| assert!(runtime.stop(*pid)),
        );
    }
}
