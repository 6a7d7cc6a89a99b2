//! Observed actors, and the notices of the runtime that they and pull actors get.

use std::ptr;
use std::sync::Arc;

use iris_core::{Incoming, SpawnOptions, SystemMessage};
use napi::bindgen_prelude::{Buffer, JsValue, ToNapiValue, Unknown};
use napi::sys;
use napi_derive::napi;

use crate::errors::Result;
use crate::host::ObservedBell;
use crate::mail::{Fate, Found};
use crate::native::Native;
use crate::raw::{self, Value};
use crate::state::State;

/// A notice of the runtime; js/system-message.js makes a `SystemMessage` of it.
#[napi(object, object_from_js = false)]
pub struct Notice {
    /// `"EXIT"`, `"DOWN"`, ...
    pub type_name: String,
    /// Where it comes from.
    pub from_pid: Option<f64>,
    /// The actor it is about.
    pub target_pid: Option<f64>,
    /// Why that actor exited, or why a letter is dead.
    pub reason: Option<String>,
    /// What failed: type, message, stack.
    pub failure: Option<Vec<String>>,
    /// The monitor that fired.
    pub monitor: Option<f64>,
    /// A dead letter's bytes.
    pub data: Option<Buffer>,
    /// The node that is up or down: its name, its address, why.
    pub node: Option<Vec<String>>,
}

/// What an observed actor got: one of the two.
#[napi(object, object_from_js = false)]
pub struct ObservedItem {
    /// A message of a user.
    pub data: Option<Buffer>,
    /// A notice of the runtime.
    pub system: Option<Notice>,
}

impl From<&SystemMessage> for Notice {
    fn from(message: &SystemMessage) -> Self {
        let failure = message.reason.as_ref().and_then(|reason| reason.failure());
        Self {
            type_name: message.kind.name().to_owned(),
            from_pid: message.from_pid.map(raw::number_of),
            target_pid: message.target_pid.map(raw::number_of),
            reason: message.reason.as_ref().map(|reason| reason.name()).or(message.detail).map(str::to_owned),
            failure: failure.map(|f| vec![f.kind.clone(), f.message.clone(), f.traceback.clone()]),
            monitor: message.monitor.map(raw::id_number),
            data: message.data.as_ref().map(|data| Buffer::from(data.to_vec())),
            node: message.node.as_ref().map(|n| vec![n.name.clone(), n.address.clone(), n.why.clone()]),
        }
    }
}

impl From<&Incoming> for ObservedItem {
    fn from(incoming: &Incoming) -> Self {
        match incoming {
            Incoming::User(message) => {
                Self { data: Some(Buffer::from(message.payload().as_slice().to_vec())), system: None }
            }
            Incoming::System(message) => Self { data: None, system: Some(Notice::from(&**message)) },
        }
    }
}

/// A matcher threw: its exception is pending.
struct Thrown;

#[napi]
impl Native {
    /// Spawns an observed actor.
    #[napi]
    pub fn spawn_observed(&self, budget: u32, path: Option<String>) -> Result<f64> {
        let options = SpawnOptions { budget, path, ..SpawnOptions::default() };
        self.state.check(self.state.runtime.spawn_observed(options)).map(raw::number_of)
    }

    /// Takes what an observed actor keeps.
    #[napi]
    pub fn take_observed(&self, pid: f64) -> Result<Vec<ObservedItem>> {
        let pid = self.state.pid(pid)?;
        let taken = self.state.check(self.state.runtime.take_observed(pid))?;
        Ok(taken.iter().map(ObservedItem::from).collect())
    }

    /// Takes the first thing the matcher accepts from what an observed actor keeps.
    #[napi]
    pub fn select_observed(&self, pid: f64, matcher: Unknown<'_>) -> Result<Option<ObservedItem>> {
        let pid = self.state.pid(pid)?;
        let state = &self.state;
        let function = matcher.raw();
        let found = state.runtime.select_observed(pid, &mut |incoming: &Incoming| {
            matches(state, function, incoming).map_err(|Thrown| Refused::Thrown)
        });
        match found {
            Ok(found) => Ok(found.as_ref().map(ObservedItem::from)),
            Err(Refused::Thrown) => Err(napi::Error::new(napi::Status::PendingException, String::new())),
            Err(Refused::Error(error)) => Err(state.raise(&error)),
        }
    }

    /// An event with this number tells that an observed actor got something, or ended.
    #[napi]
    pub fn notify_observed(&self, pid: f64, watch: u32) -> Result<()> {
        let pid = self.state.pid(pid)?;
        let bell = ObservedBell { host: Arc::clone(&self.state.host), watch };
        self.state.check(self.state.runtime.notify_observed(pid, Arc::new(bell)))
    }

    /// Takes the first message the matcher accepts from a pull actor's mailbox, or readies the wait for more. See
    /// [`Found`].
    #[napi]
    pub fn select_mail(&self, mailbox: u32, matcher: Unknown<'_>) -> Result<u32> {
        let state = &self.state;
        let function = matcher.raw();
        loop {
            let borrowed = state.mail.borrow_mut().borrow_mailbox(mailbox);
            let Some(mut pull) = borrowed else { return Ok(Found::Stopped as u32) };
            let selected = pull.select(&mut |incoming: &Incoming| matches(state, function, incoming));
            let received = match selected {
                Ok(received) => received,
                Err(Thrown) => {
                    state.mail.borrow_mut().give_back(mailbox, pull);
                    return Err(napi::Error::new(napi::Status::PendingException, String::new()));
                }
            };
            let found = state.mail.borrow_mut().return_mailbox(state, mailbox, pull, received);
            if let Some(found) = found {
                return Ok(found as u32);
            }
        }
    }

    /// The notice a look into a mailbox found.
    #[napi]
    pub fn take_notice(&self, mailbox: u32) -> Option<Notice> {
        let notice = self.state.mail.borrow_mut().take_notice(mailbox);
        notice.as_deref().map(Notice::from)
    }

    /// A pull actor's function returned, or failed. See [`Fate`].
    #[napi]
    pub fn finish_mail(&self, mailbox: u32, failure: Option<String>) -> u32 {
        let reason = failure.map_or(iris_core::ExitReason::Normal, |failure| {
            iris_core::ExitReason::crash(raw::failure_of(&failure))
        });
        let fate: Fate = self.state.mail.borrow_mut().finish(&self.state, mailbox, reason);
        fate as u32
    }

    /// A supervisor may have decided about a pull actor. See [`Fate`].
    #[napi]
    pub fn resume_mail(&self, mailbox: u32) -> u32 {
        let fate: Fate = self.state.mail.borrow_mut().resumed(&self.state, mailbox);
        fate as u32
    }
}

enum Refused {
    Thrown,
    Error(iris_core::Error),
}

impl From<iris_core::Error> for Refused {
    fn from(error: iris_core::Error) -> Self {
        Self::Error(error)
    }
}

/// Asks a JavaScript matcher `(data | undefined, notice | undefined) => boolean`.
fn ask_matcher(state: &State, function: Value, incoming: &Incoming) -> std::result::Result<bool, Thrown> {
    let env = state.env;
    let mut undefined = ptr::null_mut();
    // SAFETY: the environment of the current callback.
    unsafe { sys::napi_get_undefined(env, &raw mut undefined) };
    let arguments = match incoming {
        Incoming::User(message) => [raw::buffer(env, message.payload().as_slice()), undefined],
        Incoming::System(message) => {
            // SAFETY: the environment of the current callback.
            let notice = unsafe { Notice::to_napi_value(env, Notice::from(&**message)) };
            [undefined, notice.unwrap_or(undefined)]
        }
    };
    let chosen = raw::call(env, function, &arguments).ok_or(Thrown)?;
    Ok(raw::is_true(env, chosen))
}

/// As [`ask_matcher`], in a scope of its own: a long mailbox would otherwise be in memory twice.
fn matches(state: &State, function: Value, incoming: &Incoming) -> std::result::Result<bool, Thrown> {
    raw::scoped(state.env, || ask_matcher(state, function, incoming))
}
