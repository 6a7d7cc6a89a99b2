//! Async handlers and awaited asks, on any executor.
//!
//! An async handler's future is polled on the runtime's workers; while it is pending its actor is suspended and costs no
//! thread. A future that needs a reactor (tokio's timers and sockets) is to be spawned on that reactor and awaited
//! through its handle, as everywhere outside of the reactor's own threads.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use crate::ask::{AskState, Caller};
use crate::asking::AskOptions;
use crate::behaviour::{Behaviour, Flow};
use crate::context::{Context, Suspension};
use crate::details::Signal;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::options::SpawnOptions;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::shared::WeakShared;
use crate::stepper::panicked;
use crate::sync::{AtomicBool, Mutex, Ordering};

type Running = Pin<Box<dyn Future<Output = Flow> + Send>>;

/// What an async handler knows of its actor.
#[derive(Clone, Debug)]
pub struct Own {
    /// The actor's pid.
    pub pid: Pid,
    /// Its runtime; does not keep it open.
    pub runtime: Runtime,
}

struct AsyncBehaviour<F> {
    handler: F,
}

impl<F, R> Behaviour for AsyncBehaviour<F>
where
    F: Fn(Own, Message) -> R + Send + Sync + 'static,
    R: Future<Output = Flow> + Send + 'static,
{
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        let own = Own { pid: context.pid(), runtime: context.runtime() };
        let task = Arc::new(Task {
            shared: context.shared.weak(),
            pid: context.pid(),
            future: Mutex::new(Some(Box::pin((self.handler)(own, message)))),
            suspension: Mutex::new(None),
            woken: AtomicBool::new(false),
        });
        if let Some(flow) = task.poll() {
            return flow;
        }
        let cancelled = Arc::clone(&task);
        let suspension = context.suspend(Box::new(move || drop(cancelled.future.lock().take())));
        *task.suspension.lock() = Some(suspension);
        Flow::Suspend
    }
}

/// One message that an async handler works on.
pub(crate) struct Task {
    shared: WeakShared,
    pid: Pid,
    future: Mutex<Option<Running>>,
    suspension: Mutex<Option<Suspension>>,
    woken: AtomicBool,
}

impl Task {
    /// Owner: polls the future again. What it was suspended for, and how it goes on, once it is done.
    pub(crate) fn run(self: &Arc<Self>) -> Option<(Suspension, Flow)> {
        self.woken.store(false, Ordering::Release);
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll()));
        let flow = polled.unwrap_or_else(|panic| Some(Flow::Stop(panicked(panic))))?;
        let suspension = self.suspension.lock().take()?;
        Some((suspension, flow))
    }

    /// Polls the future in its actor's turn; its outcome once it is there.
    fn poll(self: &Arc<Self>) -> Option<Flow> {
        let waker = Waker::from(Arc::clone(self));
        let mut future = self.future.lock();
        match future.as_mut()?.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(flow) => {
                *future = None;
                Some(flow)
            }
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            let pid = self.pid;
            shared.signal(pid, Signal::Poll(self));
        }
    }
}

impl Runtime {
    /// Spawns a push actor with an async handler: the next message is handled when the future of the one before is
    /// done. A stop drops the future in progress.
    ///
    /// ```
    /// use iris_core::{Flow, Message, Own, Runtime, SpawnOptions};
    /// let runtime = Runtime::new()?;
    /// let echo = runtime.spawn_async(
    ///     |_own: Own, mut message: Message| async move {
    ///         if let Some(reply) = message.take_reply() {
    ///             reply.send(message.into_payload());
    ///         }
    ///         Flow::Continue
    ///     },
    ///     SpawnOptions::default(),
    /// )?;
    /// assert_eq!(runtime.ask_blocking(echo, b"hello".into(), None)?.as_slice(), b"hello");
    /// # Ok::<(), iris_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_async<F, R>(&self, handler: F, options: SpawnOptions) -> Result<Pid>
    where
        F: Fn(Own, Message) -> R + Send + Sync + 'static,
        R: Future<Output = Flow> + Send + 'static,
    {
        self.spawn_shared(Arc::new(AsyncBehaviour { handler }), options)
    }

    /// Asks; the future is the answer. Dropped before that, the ask is given up. The message is sent at once, not at the
    /// first poll.
    pub fn ask(&self, pid: Pid, payload: Payload, timeout: Option<Duration>) -> Ask {
        let options = AskOptions { timeout, context: None };
        Ask { state: self.begin_ask(pid, payload, options, Caller::Future(None)) }
    }
}

/// An ask that can be awaited; see [`Runtime::ask`].
#[must_use = "an ask that is dropped is given up"]
pub struct Ask {
    state: Arc<AskState>,
}

impl Future for Ask {
    type Output = Result<Payload, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.state.poll(context.waker())
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.state.cancel();
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask").field("state", &self.state).finish_non_exhaustive()
    }
}
