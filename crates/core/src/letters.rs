//! Dead letters: what could not be delivered is counted by reason, and told to whoever listens.

use crate::counters::Dropped;
use crate::message::{Message, SystemKind, SystemMessage};
use crate::pid::Pid;
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
        drop(message);
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
