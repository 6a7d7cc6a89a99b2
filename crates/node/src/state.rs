//! State: what the binding keeps for one runtime on its JavaScript thread.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use iris_core::{
    AskHandle, Error, HostedLane, Reply, Runtime, RuntimeOptions, ShutdownReport, StartDone, Suspension,
};
use napi::sys;

use crate::batch::Batch;
use crate::frame::Frame;
use crate::host::{Event, Host, LaneBell};
use crate::mail::Mail;
use crate::raw::{self, Env, Keep, Value};
use crate::shelf::Shelf;
use crate::slots::Slots;

/// What the garbage collector is told a runtime takes: about its first segment of actors.
const RUNTIME_BYTES: i64 = 1 << 20;

/// One runtime, as its JavaScript thread sees it. Everything in cells is touched on that thread alone.
pub(crate) struct State {
    pub(crate) env: Env,
    pub(crate) runtime: Runtime,
    pub(crate) lane: Arc<HostedLane>,
    pub(crate) host: Arc<Host>,
    pub(crate) slots: RefCell<Slots>,
    pub(crate) batch: RefCell<Batch>,
    pub(crate) mail: RefCell<Mail>,
    pub(crate) frame: Frame,
    pub(crate) asks: RefCell<Vec<Option<AskHandle>>>,
    /// Handlers whose promise is not settled yet.
    pub(crate) suspended: RefCell<Shelf<Suspended>>,
    /// Replacements a supervisor waits for.
    pub(crate) starts: RefCell<Shelf<StartDone>>,
    /// Errors of asks, until JavaScript reads them.
    pub(crate) errors: RefCell<Shelf<Error>>,
    /// What is to be logged, until JavaScript reads it.
    pub(crate) texts: RefCell<Shelf<String>>,
    /// Reports of shutdowns, until JavaScript reads them.
    pub(crate) reports: RefCell<Shelf<ShutdownReport>>,
    /// Calls the maker in a slot: `(slot) => slot of the handler made | failure text`.
    /// Given up at the close, as the function holds what holds this state.
    make: RefCell<Option<Keep>>,
    /// A maker was called: a user's function ran within a native call.
    pub(crate) has_made: Cell<bool>,
    /// The class of errors.
    pub(crate) error_class: Keep,
    holds: Cell<bool>,
    open: Cell<bool>,
}

/// An async handler under way.
pub(crate) struct Suspended {
    pub(crate) suspension: Suspension,
    pub(crate) reply: Option<Reply>,
}

/// The values JavaScript shares with a runtime.
pub(crate) struct Shared {
    /// Called when there is something to drain.
    pub(crate) wake: Value,
    /// See [`State::make`].
    pub(crate) make: Value,
    /// `new (code, message)`
    pub(crate) error_class: Value,
    /// A `Uint32Array`, see [`Frame`].
    pub(crate) frame: Value,
    /// Arrays for the parts of a batch and of a received message, see [`Parcels`](crate::parcels::Parcels).
    pub(crate) parts: Value,
    pub(crate) mail_parts: Value,
}

impl State {
    pub(crate) fn new(env: Env, shared: &Shared, options: RuntimeOptions) -> napi::Result<Rc<Self>> {
        let host = Host::new(env, shared.wake)?;
        let opened = Runtime::with_options(options).and_then(|runtime| {
            let lane = runtime.add_lane(Arc::new(LaneBell(Arc::clone(&host))))?;
            Ok((runtime, lane))
        });
        let (runtime, lane) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                host.detach();
                raw::throw(env, shared.error_class, &error);
                return Err(napi::Error::new(napi::Status::PendingException, String::new()));
            }
        };
        let told = Arc::clone(&host);
        runtime.on_empty(Box::new(move || told.post(Event::Empty)));
        let told = Arc::clone(&host);
        runtime.on_give_up(Box::new(move |supervisor, failure| {
            told.post(Event::GaveUp { supervisor, message: failure.message.clone() });
        }));
        let told = Arc::clone(&host);
        runtime.log().on_lines(Box::new(move || told.post(Event::Lines)));
        // Nothing is ready yet: the first ready actor wakes the drain.
        let _asleep = lane.try_sleep();
        let state = Rc::new(Self {
            env,
            runtime,
            lane,
            host,
            slots: RefCell::default(),
            batch: RefCell::new(Batch::new(env, shared.parts)),
            mail: RefCell::new(Mail::new(env, shared.mail_parts)),
            frame: Frame::new(env, shared.frame)?,
            asks: RefCell::default(),
            suspended: RefCell::default(),
            starts: RefCell::default(),
            errors: RefCell::default(),
            texts: RefCell::default(),
            reports: RefCell::default(),
            make: RefCell::new(Some(Keep::new(env, shared.make))),
            has_made: Cell::new(false),
            error_class: Keep::new(env, shared.error_class),
            holds: Cell::new(false),
            open: Cell::new(true),
        });
        // SAFETY: the count given to the hook is taken back by it, or by `close`, which removes it.
        unsafe {
            sys::napi_adjust_external_memory(env, RUNTIME_BYTES, &mut 0);
            let data = Rc::into_raw(Rc::clone(&state)).cast_mut().cast();
            napi::check_status!(sys::napi_add_env_cleanup_hook(env, Some(env_ends), data))?;
        }
        Ok(state)
    }

    /// Calls a maker; `None` where it cannot be called any more.
    pub(crate) fn call_maker(&self, slot: u32) -> Option<Value> {
        let make = self.make.borrow().as_ref().map(Keep::get)?;
        self.has_made.set(true);
        raw::call(self.env, make, &[raw::number(self.env, f64::from(slot))])
    }

    /// Keeps the process alive, or no longer.
    pub(crate) fn hold(&self, alive: bool) {
        if self.holds.replace(alive) != alive {
            self.host.hold(self.env, alive);
        }
    }

    /// Whether the runtime was not closed yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Lets go of everything: the runtime is shut down, or the environment ends.
    pub(crate) fn close(&self) {
        if !self.open.replace(false) {
            return;
        }
        // SAFETY: the hook was added in `new` with this pointer; once removed its count is ours to drop.
        unsafe {
            let data: *const Self = ptr::from_ref(self);
            sys::napi_remove_env_cleanup_hook(self.env, Some(env_ends), data.cast_mut().cast());
            Rc::decrement_strong_count(data);
        }
        self.let_go();
    }

    fn let_go(&self) {
        self.hold(false);
        self.host.detach();
        drop(self.make.borrow_mut().take());
        // Borrowed only where the process exits within a function that a native call has called.
        if let Ok(mut batch) = self.batch.try_borrow_mut() {
            batch.abandon();
        }
        if let Ok(mut mail) = self.mail.try_borrow_mut() {
            mail.clear();
        }
        self.suspended.borrow_mut().clear();
        self.starts.borrow_mut().clear();
        self.asks.borrow_mut().clear();
        self.errors.borrow_mut().clear();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: dropped on the JavaScript thread, by a finalizer at the latest.
        unsafe { sys::napi_adjust_external_memory(self.env, -RUNTIME_BYTES, &mut 0) };
    }
}

/// The environment ends: the process exits or a worker thread is over. No JavaScript runs any more.
unsafe extern "C" fn env_ends(data: *mut std::ffi::c_void) {
    // SAFETY: the count was given by `State::new`; Node calls a hook once, on the JavaScript thread.
    let state = unsafe { Rc::from_raw(data.cast::<State>().cast_const()) };
    state.open.set(false);
    state.let_go();
    // It steps the lane of this thread, too: actors that are ready end there, and their behaviour calls nothing.
    state.runtime.shutdown(Duration::ZERO);
}
