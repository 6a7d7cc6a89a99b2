//! Events: how what the runtime's threads report is described to JavaScript.

use iris_core::Error;

use crate::frame::EVENT_WORDS;
use crate::host::Event;
use crate::parcels::{LENGTH_MAX, Parcels};
use crate::state::State;

/// Kinds of events, as js/frame.js numbers them.
mod kind {
    pub(super) const ANSWERED: u32 = 1;
    pub(super) const FAILED: u32 = 2;
    pub(super) const EXITED: u32 = 3;
    pub(super) const MAIL: u32 = 4;
    pub(super) const OBSERVED: u32 = 5;
    pub(super) const START: u32 = 6;
    pub(super) const FACTORY_GONE: u32 = 7;
    pub(super) const SLOT_FREE: u32 = 8;
    pub(super) const EMPTY: u32 = 9;
    pub(super) const CLOSED: u32 = 10;
    pub(super) const FUNCTION_FREE: u32 = 11;
    pub(super) const GAVE_UP: u32 = 12;
    pub(super) const LINES: u32 = 13;
}

impl State {
    /// An event in words: its kind and up to three numbers. `None` where JavaScript need not know of it.
    pub(crate) fn describe(&self, event: Event, parcels: &mut Parcels) -> Option<[u32; EVENT_WORDS]> {
        match event {
            Event::Answered { ask, result } => {
                if let Some(handle) = self.asks.borrow_mut().get_mut(ask as usize) {
                    *handle = None;
                }
                match result {
                    Ok(payload) if payload.len() <= LENGTH_MAX => {
                        let place = parcels.put(payload.view());
                        Some([kind::ANSWERED, ask, place.offset, place.size])
                    }
                    Ok(_) => Some(self.failed(ask, Error::invalid("the answer is too long for JavaScript"))),
                    Err(error) => Some(self.failed(ask, error)),
                }
            }
            Event::Exited { join } => Some([kind::EXITED, join, 0, 0]),
            Event::Mail { mailbox } => Some([kind::MAIL, mailbox, 0, 0]),
            Event::Observed { watch } => Some([kind::OBSERVED, watch, 0, 0]),
            Event::Cancelled { token } => {
                let suspended = self.suspended.borrow_mut().take(token);
                drop(suspended);
                None
            }
            Event::Start { factory, done } => {
                let token = self.starts.borrow_mut().put(done);
                Some([kind::START, factory, token, 0])
            }
            Event::FactoryGone { factory } => Some([kind::FACTORY_GONE, factory, 0, 0]),
            Event::SlotFree { slot } => Some([kind::SLOT_FREE, slot, 0, 0]),
            Event::FunctionFree { slot } => Some([kind::FUNCTION_FREE, slot, 0, 0]),
            Event::GaveUp { supervisor, message } => {
                let text = self.texts.borrow_mut().put(format!("supervisor {supervisor} gave up: {message}"));
                Some([kind::GAVE_UP, text, 0, 0])
            }
            Event::Lines => Some([kind::LINES, 0, 0, 0]),
            Event::Empty => Some([kind::EMPTY, 0, 0, 0]),
            Event::Closed { close, report } => {
                let report = self.reports.borrow_mut().put(report);
                Some([kind::CLOSED, close, report, 0])
            }
        }
    }

    fn failed(&self, ask: u32, error: Error) -> [u32; EVENT_WORDS] {
        let error = self.errors.borrow_mut().put(error);
        [kind::FAILED, ask, error, 0]
    }
}
