//! Pull actors of Rust: a function on a thread of its own, or a mailbox to await messages from.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::context;
use crate::details::Waiter;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::message::Incoming;
use crate::options::SpawnOptions;
use crate::pid::Pid;
use crate::pull::{Finish, PullMailbox, Received};
use crate::runtime::Runtime;
use crate::sync::{Condvar, Mutex, thread};

/// Looks into an empty mailbox before its thread sleeps: about 20 microseconds, what waking it would cost.
const SPINS: u32 = 1000;

#[derive(Default)]
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Waiter for Parker {
    fn wake(&self) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

impl Parker {
    /// False: the time is over.
    fn park(&self, deadline: Option<Instant>) -> bool {
        let mut woken = self.woken.lock();
        while !*woken {
            match deadline {
                Some(deadline) => {
                    if self.changed.wait_until(&mut woken, deadline).timed_out() {
                        break;
                    }
                }
                None => self.changed.wait(&mut woken),
            }
        }
        std::mem::take(&mut *woken)
    }
}

/// The mailbox of a pull actor that runs on a thread.
#[derive(Debug)]
pub struct Mailbox {
    pull: PullMailbox,
    parker: Arc<Parker>,
}

impl std::fmt::Debug for Parker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parker")
    }
}

impl Mailbox {
    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pull.pid()
    }

    /// The actor's runtime. Keeping it does not keep the runtime open.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.pull.runtime()
    }

    /// The next message, notices of the runtime first. `None`: the time is over, or the actor was told to stop
    /// ([`Mailbox::is_stopped`]). Without a time-out it waits for ever.
    pub fn recv(&mut self, timeout: Option<Duration>) -> Option<Incoming> {
        self.wait(timeout, PullMailbox::try_recv)
    }

    /// The first message the matcher accepts; the others keep their order. Otherwise as [`Mailbox::recv`].
    pub fn select(
        &mut self,
        mut matcher: impl FnMut(&Incoming) -> bool,
        timeout: Option<Duration>,
    ) -> Option<Incoming> {
        let mut seen = 0;
        self.wait(timeout, |pull| {
            let found = pull.select_from(&mut seen, &mut |incoming| Ok::<_, ()>(matcher(incoming)));
            found.unwrap_or(Received::Empty)
        })
    }

    /// Whether the actor was told to stop.
    pub fn is_stopped(&mut self) -> bool {
        self.pull.is_stopped()
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut look: impl FnMut(&mut PullMailbox) -> Received,
    ) -> Option<Incoming> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match look(&mut self.pull) {
                Received::Message(incoming) => return Some(incoming),
                Received::Stopped => return None,
                Received::Empty => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            if (0..SPINS).any(|_| {
                std::hint::spin_loop();
                self.pull.is_ready()
            }) {
                continue;
            }
            if self.pull.prepare_wait() {
                self.parker.park(deadline);
                self.pull.end_wait();
            }
        }
    }
}

impl Runtime {
    /// Spawns a pull actor: `function` runs on a thread of its own and takes messages from its mailbox. When it
    /// returns the actor ends with Normal, or Killed where it was told to; a panic ends it with Panic. A supervisor
    /// that restarts it in place has it called again, with the same mailbox.
    ///
    /// ```
    /// use iris_core::{Incoming, Mailbox, Runtime, SpawnOptions};
    /// let runtime = Runtime::new()?;
    /// let echo = runtime.spawn_thread(
    ///     |mailbox: &mut Mailbox| {
    ///         while let Some(incoming) = mailbox.recv(None) {
    ///             if let Incoming::User(mut message) = incoming
    ///                 && let Some(reply) = message.take_reply()
    ///             {
    ///                 reply.send(message.into_payload());
    ///             }
    ///         }
    ///     },
    ///     SpawnOptions::default(),
    /// )?;
    /// assert_eq!(runtime.ask_blocking(echo, b"hello".into(), None)?.as_slice(), b"hello");
    /// # Ok::<(), iris_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Runtime::spawn`]; `LimitReached` where the system has no thread left.
    pub fn spawn_thread(
        &self,
        function: impl Fn(&mut Mailbox) + Send + Sync + 'static,
        options: SpawnOptions,
    ) -> Result<Pid> {
        let parker = Arc::new(Parker::default());
        let pull = self.spawn_pull(options, Arc::clone(&parker) as Arc<dyn Waiter>)?;
        let pid = pull.pid();
        let mailbox = Mailbox { pull, parker };
        let function = Function(Arc::new(function));
        if let Some(cell) = self.shared().table.get(pid) {
            let first = function.clone();
            cell.with_details(pid, |details| details.function = Some(Arc::new(first)));
        }
        thread::Builder::new()
            .name(format!("iris-actor-{pid}"))
            .spawn(move || live(mailbox, function))
            .map_err(|error| {
                Error::new(ErrorKind::LimitReached, format!("no thread for a pull actor: {error}"))
            })?;
        Ok(pid)
    }

    /// Swaps the function of an actor that [`Runtime::spawn_thread`] spawned: it is told `HOT_SWAP`, and when its function
    /// returns the new one is called with the same mailbox. Returns the version now in force.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for a push actor.
    pub fn hot_swap_thread(
        &self,
        pid: Pid,
        function: impl Fn(&mut Mailbox) + Send + Sync + 'static,
    ) -> Result<u32> {
        self.hot_swap_pull(pid, None, Arc::new(Function(Arc::new(function))))
    }

    /// Spawns a pull actor whose mailbox the caller awaits messages from, in a task on any executor.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_mailbox(&self, options: SpawnOptions) -> Result<AsyncMailbox> {
        let waker = Arc::new(WakerSlot::default());
        let pull = self.spawn_pull(options, Arc::clone(&waker) as Arc<dyn Waiter>)?;
        Ok(AsyncMailbox { pull, waker })
    }
}

/// What runs on the thread of a pull actor.
#[derive(Clone)]
struct Function(Arc<dyn Fn(&mut Mailbox) + Send + Sync>);

fn live(mailbox: Mailbox, mut function: Function) {
    let Mailbox { mut pull, parker } = mailbox;
    let _entered = context::enter(pull.pid());
    loop {
        let mut mailbox = Mailbox { pull, parker: Arc::clone(&parker) };
        let outcome = catch_unwind(AssertUnwindSafe(|| (function.0)(&mut mailbox)));
        let reason = outcome.map_or_else(crate::stepper::panicked, |()| ExitReason::Normal);
        let mut finish = mailbox.pull.finish(reason);
        pull = loop {
            match finish {
                Finish::Ended => return,
                Finish::Restarted(pull) => break pull,
                Finish::Swapped(pull, swapped) => {
                    if let Some(swapped) = swapped.downcast_ref::<Function>() {
                        function = swapped.clone();
                    }
                    break pull;
                }
                Finish::Waiting(mut pull) => {
                    if pull.prepare_wait_for_supervisor() {
                        parker.park(None);
                    }
                    finish = pull.resumed();
                }
            }
        };
    }
}

#[derive(Default)]
struct WakerSlot(Mutex<(bool, Option<Waker>)>);

impl Waiter for WakerSlot {
    fn wake(&self) {
        let waker = {
            let mut slot = self.0.lock();
            slot.0 = true;
            slot.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The mailbox of a pull actor that awaits its messages. Dropped, the actor ends with Normal.
pub struct AsyncMailbox {
    pull: PullMailbox,
    waker: Arc<WakerSlot>,
}

impl AsyncMailbox {
    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pull.pid()
    }

    /// The next message, notices of the runtime first; `None`: the actor was told to stop. A dropped wait loses nothing.
    pub async fn recv(&mut self) -> Option<Incoming> {
        // A wait that was dropped before may have left the actor idle.
        self.pull.end_wait();
        loop {
            match self.pull.try_recv() {
                Received::Message(incoming) => return Some(incoming),
                Received::Stopped => return None,
                Received::Empty => {}
            }
            if self.pull.prepare_wait() {
                let waker = &self.waker;
                poll_fn(|context| {
                    let mut slot = waker.0.lock();
                    if std::mem::take(&mut slot.0) {
                        return Poll::Ready(());
                    }
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                })
                .await;
            }
            self.pull.end_wait();
        }
    }
}

impl std::fmt::Debug for AsyncMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncMailbox").field("pid", &self.pid()).finish_non_exhaustive()
    }
}
