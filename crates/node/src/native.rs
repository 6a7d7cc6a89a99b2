//! Native: the class JavaScript drives a runtime with; the public face is `NodeRuntime` in js/runtime.js.

use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use iris_core::{Error, ErrorKind, HostedLane, RuntimeOptions};
use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Env, sys};
use napi_derive::napi;

use crate::errors::Result;
use crate::frame;
use crate::host::Event;
use crate::hot;
use crate::raw::{self, Function, Value};
use crate::state::{Shared, State};

/// One runtime on its JavaScript thread.
#[napi]
pub struct Native {
    pub(crate) state: Rc<State>,
}

/// The values JavaScript shares with a runtime.
#[napi(object, object_to_js = false)]
pub struct Setup<'a> {
    /// Called when there is something to drain.
    pub wake: Unknown<'a>,
    /// Calls the maker in a slot.
    pub make: Unknown<'a>,
    /// The class of errors: `new IrisError(code, message)`.
    pub error_class: Unknown<'a>,
    /// The words batches are described in.
    pub frame: Unknown<'a>,
    /// The ArrayBuffers of a batch.
    pub parts: Unknown<'a>,
    /// The ArrayBuffer of a received message.
    pub mail_parts: Unknown<'a>,
    /// The most actors at once, where it is not the default.
    pub actors_max: Option<u32>,
}

#[napi]
impl Native {
    /// Opens a runtime.
    #[napi(constructor)]
    pub fn new(env: Env, setup: Setup<'_>) -> Result<Self> {
        let shared = Shared {
            wake: setup.wake.raw(),
            make: setup.make.raw(),
            error_class: setup.error_class.raw(),
            frame: setup.frame.raw(),
            parts: setup.parts.raw(),
            mail_parts: setup.mail_parts.raw(),
        };
        let mut options = RuntimeOptions::default();
        if let Some(max) = setup.actors_max {
            options.actors_max = max;
        }
        let state = State::new(env.raw(), &shared, options)?;
        Ok(Self { state })
    }

    /// The functions of the hot path, by name.
    #[napi]
    pub fn hot<'a>(&self, env: Env) -> Result<Unknown<'a>> {
        let mut object = ptr::null_mut();
        // SAFETY: the environment of the current callback.
        unsafe { napi::check_status!(sys::napi_create_object(env.raw(), &raw mut object))? };
        self.add::<hot::Send>(object, "send")?;
        self.add::<hot::SendOther>(object, "sendOther")?;
        self.add::<hot::Spawn>(object, "spawn")?;
        self.add::<hot::Fill>(object, "fill")?;
        self.add::<hot::Settle>(object, "settle")?;
        self.add::<hot::Crash>(object, "crash")?;
        self.add::<hot::Suspend>(object, "suspend")?;
        self.add::<hot::Resume>(object, "resume")?;
        self.add::<hot::ResumeCrashed>(object, "resumeCrashed")?;
        self.add::<hot::Answer>(object, "answer")?;
        self.add::<hot::Refuse>(object, "refuse")?;
        self.add::<hot::Ask>(object, "ask")?;
        self.add::<hot::CancelAsk>(object, "cancelAsk")?;
        self.add::<hot::AskError>(object, "askError")?;
        self.add::<hot::Offer>(object, "offer")?;
        self.add::<hot::Receive>(object, "receive")?;
        self.add::<hot::IsStopped>(object, "isStopped")?;
        self.add::<hot::IsFree>(object, "isFree")?;
        self.add::<hot::Reply>(object, "reply")?;
        self.add::<hot::MailboxSize>(object, "mailboxSize")?;
        self.add::<hot::Stop>(object, "stop")?;
        self.add::<hot::IsAlive>(object, "isAlive")?;
        self.add::<hot::SendAfter>(object, "sendAfter")?;
        self.add::<hot::CancelTimer>(object, "cancelTimer")?;
        self.add::<hot::Interrupt>(object, "interrupt")?;
        self.add::<hot::TurnPid>(object, "turnPid")?;
        // SAFETY: the object just made.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), object) })
    }

    fn add<F: Function>(&self, object: Value, name: &str) -> Result<()> {
        let env = self.state.env;
        let function = raw::function::<F>(env, &self.state)?;
        // SAFETY: values of the current callback.
        unsafe { napi::check_status!(sys::napi_set_property(env, object, raw::text(env, name), function)) }
    }

    /// The word that changes whenever a signal reaches an actor of this runtime, as an ArrayBuffer of 4 bytes.
    #[napi]
    pub fn signals<'a>(&self, env: Env) -> Result<Unknown<'a>> {
        let lane = Arc::clone(&self.state.lane);
        let word: *const u32 = lane.interrupts().as_ptr();
        let hint = Arc::into_raw(lane).cast_mut();
        let mut buffer = ptr::null_mut();
        // SAFETY: the lane, and with it the word, is kept until `release_lane`. JavaScript only reads the word.
        let status = unsafe {
            sys::napi_create_external_arraybuffer(
                env.raw(),
                word.cast_mut().cast(),
                size_of::<u32>(),
                Some(release_lane),
                hint.cast(),
                &raw mut buffer,
            )
        };
        napi::check_status!(status)?;
        // SAFETY: the value just made.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), buffer) })
    }

    /// The product's version.
    #[napi]
    pub fn version() -> &'static str {
        iris_core::version()
    }

    /// Words a frame must have.
    #[napi]
    pub fn frame_words() -> u32 {
        u32::try_from(frame::WORDS).unwrap_or(u32::MAX)
    }

    /// Keeps the process alive, or no longer.
    #[napi]
    pub fn hold(&self, alive: bool) {
        self.state.hold(alive);
    }

    /// Whether a drain is still to tell something.
    #[napi]
    pub fn has_events(&self) -> bool {
        // Borrowed: a batch is being filled.
        self.state.host.has_events() || self.state.batch.try_borrow().map_or(true, |batch| batch.has_events())
    }

    /// Shuts the runtime down on a thread of its own, since actors of this thread may have to finish meanwhile. An event
    /// with this number tells the end.
    #[napi]
    pub fn shutdown(&self, seconds: f64, close: u32) -> Result<()> {
        let runtime = self.state.runtime.clone();
        let host = Arc::clone(&self.state.host);
        let grace = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let started = std::thread::Builder::new().name("iris-shutdown".to_owned()).spawn(move || {
            let report = runtime.shutdown(grace);
            host.post(Event::Closed { close, report });
        });
        self.state.check(started.map_err(|error| {
            Error::new(ErrorKind::LimitReached, format!("no thread for the shutdown: {error}"))
        }))?;
        self.state.hold(true);
        Ok(())
    }

    /// Leaves a shutdown that is under way no more time than this.
    #[napi]
    pub fn hurry(&self, seconds: f64) {
        let grace = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.state.runtime.hurry_shutdown(grace);
    }

    /// Wakes the drain in the event loop's next turn, without keeping the loop alive for it.
    #[napi]
    pub fn ring(&self) {
        self.state.host.ring();
    }

    /// Lets go of everything, after a shutdown.
    #[napi]
    pub fn release(&self) {
        self.state.close();
    }
}

unsafe extern "C" fn release_lane(_env: raw::Env, _data: *mut std::ffi::c_void, hint: *mut std::ffi::c_void) {
    // SAFETY: `hint` came from `Arc::into_raw` in `signals`; Node calls a finalizer once.
    drop(unsafe { Arc::from_raw(hint.cast::<HostedLane>().cast_const()) });
}
