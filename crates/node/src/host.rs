//! Host: how the runtime's threads reach the JavaScript thread, with one wake per batch.
//!
//! `signalled` is true from the first event after a sleep until a drain found nothing more to do: whoever turns it true
//! calls the threadsafe function, everybody else just leaves an event. A drain turns it false *before* it looks for the
//! last time, so an event that comes after that look finds it false and wakes anew; at worst a drain finds nothing.
//!
//! The threadsafe function is behind a lock, because the environment may end while other threads signal: `detach` takes
//! it away, and no call is in progress any more when it returns.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use iris_core::sync::Mutex;
use iris_core::{Error, LaneHost, Payload, Pid, ShutdownReport, StartDone, Waiter};
use napi::sys;

use crate::raw::{Env, Value};

/// Events whose memory is kept for the next ones: some batches of them.
const EVENTS_KEPT: usize = 4096;

/// What the JavaScript thread is told.
pub(crate) enum Event {
    /// An ask was answered, or failed.
    Answered { ask: u32, result: Result<Payload, Error> },
    /// An actor somebody joins has exited.
    Exited { join: u32 },
    /// A pull actor has something to receive.
    Mail { mailbox: u32 },
    /// An observed actor has got something.
    Observed { watch: u32 },
    /// A suspended actor ended or was restarted: its handler's outcome is of no interest any more.
    Cancelled { token: u32 },
    /// A supervisor wants a replacement.
    Start { factory: u32, done: StartDone },
    /// A supervisor forgot this factory.
    FactoryGone { factory: u32 },
    /// The last actor with this handler is gone. May come late: whether it still holds is looked at when it is told.
    SlotFree { slot: u32 },
    /// The function of a pull actor, or one that makes handlers, is not called any more. Comes once per slot.
    FunctionFree { slot: u32 },
    /// A supervisor gave up.
    GaveUp { supervisor: Pid, message: String },
    /// Lines wait in the runtime's log.
    Lines,
    /// No actor lives any more.
    Empty,
    /// A shutdown is over.
    Closed { close: u32, report: ShutdownReport },
}

/// The way to one JavaScript thread.
pub(crate) struct Host {
    events: Mutex<Events>,
    signalled: AtomicBool,
    /// The JavaScript thread, and whether it is within a send: then it need not be woken, the send's caller is told.
    thread: ThreadId,
    sending: AtomicBool,
    /// A send of the JavaScript thread itself made work: its caller schedules the drain.
    asked: AtomicBool,
    bell: Mutex<Option<Bell>>,
}

#[derive(Default)]
struct Events {
    queue: VecDeque<Event>,
    /// Nobody takes any more.
    closed: bool,
}

struct Bell(sys::napi_threadsafe_function);

// SAFETY: a threadsafe function may be called from any thread.
unsafe impl Send for Bell {}

impl Host {
    /// A host that calls `wake` on the JavaScript thread. It does not keep the process alive until [`Host::hold`].
    pub(crate) fn new(env: Env, wake: Value) -> napi::Result<Arc<Self>> {
        let name = crate::raw::text(env, "iris");
        let mut bell = ptr::null_mut();
        // SAFETY: values of the current callback; no finalizer and no data are given, so nothing can dangle.
        unsafe {
            napi::check_status!(sys::napi_create_threadsafe_function(
                env,
                wake,
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                None,
                &raw mut bell,
            ))?;
            napi::check_status!(sys::napi_unref_threadsafe_function(env, bell))?;
        }
        Ok(Arc::new(Self {
            events: Mutex::default(),
            signalled: AtomicBool::new(false),
            thread: thread::current().id(),
            sending: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            bell: Mutex::new(Some(Bell(bell))),
        }))
    }

    /// Tells the JavaScript thread something; from any thread.
    pub(crate) fn post(&self, event: Event) {
        let mut events = self.events.lock();
        if events.closed {
            // Dropping an event may post another: not under the lock.
            drop(events);
            drop(event);
            return;
        }
        events.queue.push_back(event);
        drop(events);
        self.signal();
    }

    /// What was told, oldest first, where nothing is left of what was taken before: however much came, it is not moved.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>) {
        if into.is_empty() {
            if into.capacity() > EVENTS_KEPT {
                *into = VecDeque::new();
            }
            std::mem::swap(into, &mut self.events.lock().queue);
        }
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.lock().queue.is_empty()
    }

    fn signal(&self) {
        if self.signalled.swap(true, Ordering::SeqCst) {
            return;
        }
        // Only the JavaScript thread sets `sending`: it sees its own value, others are told apart by the thread.
        if self.sending.load(Ordering::Relaxed) && thread::current().id() == self.thread {
            self.asked.store(true, Ordering::Relaxed);
            return;
        }
        self.ring();
    }

    /// Has the JavaScript thread woken.
    pub(crate) fn ring(&self) {
        if let Some(bell) = &*self.bell.lock() {
            // SAFETY: the function is alive while it is in `bell`; not blocking, so the lock is held briefly.
            unsafe {
                sys::napi_call_threadsafe_function(
                    bell.0,
                    ptr::null_mut(),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                );
            }
        }
    }

    /// Runs a send of the JavaScript thread; true: its caller must schedule a drain.
    #[inline]
    pub(crate) fn while_sending<R>(&self, send: impl FnOnce() -> R) -> (R, bool) {
        self.sending.store(true, Ordering::Relaxed);
        let result = send();
        self.sending.store(false, Ordering::Relaxed);
        (result, self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed))
    }

    /// A drain begins, or looks once more: nobody needs to wake it from here on.
    pub(crate) fn awake(&self) {
        self.signalled.store(true, Ordering::SeqCst);
    }

    /// The drain is about to look for the last time: what comes from here on wakes it.
    pub(crate) fn falling_asleep(&self) {
        self.signalled.store(false, Ordering::SeqCst);
    }

    /// Keeps the process alive, or no longer.
    pub(crate) fn hold(&self, env: Env, alive: bool) {
        if let Some(bell) = &*self.bell.lock() {
            // SAFETY: on the JavaScript thread, with the function alive.
            unsafe {
                if alive {
                    sys::napi_ref_threadsafe_function(env, bell.0);
                } else {
                    sys::napi_unref_threadsafe_function(env, bell.0);
                }
            }
        }
    }

    /// The environment ends: nobody is woken any more.
    pub(crate) fn detach(&self) {
        let bell = self.bell.lock().take();
        if let Some(bell) = bell {
            // SAFETY: nobody else has the function any more; released once.
            unsafe {
                sys::napi_release_threadsafe_function(bell.0, sys::ThreadsafeFunctionReleaseMode::abort);
            }
        }
        let closed = Events { queue: VecDeque::new(), closed: true };
        let events = std::mem::replace(&mut *self.events.lock(), closed);
        drop(events);
    }
}

/// Wakes the drain for the runtime.
pub(crate) struct LaneBell(pub(crate) Arc<Host>);

impl LaneHost for LaneBell {
    fn wake(&self) {
        self.0.signal();
    }
}

/// Tells the drain that a pull actor has mail.
pub(crate) struct MailBell {
    pub(crate) host: Arc<Host>,
    pub(crate) mailbox: u32,
}

impl Waiter for MailBell {
    fn wake(&self) {
        self.host.post(Event::Mail { mailbox: self.mailbox });
    }
}

/// Tells the drain that an observed actor got something.
pub(crate) struct ObservedBell {
    pub(crate) host: Arc<Host>,
    pub(crate) watch: u32,
}

impl Waiter for ObservedBell {
    fn wake(&self) {
        self.host.post(Event::Observed { watch: self.watch });
    }
}
