//! Slots: the small numbers that stand for JavaScript handlers, one per distinct function, shared by all its actors.
//!
//! JavaScript keeps the functions in an array indexed by slot. Here a slot has one behaviour, shared by every actor that
//! runs that function; when the last of them is gone the behaviour is dropped and JavaScript is told to forget the
//! function.

use std::any::Any;
use std::sync::{Arc, Weak};

use iris_core::{Behaviour, Context, ExitReason, Failure, Flow, Message};

use crate::host::{Event, Host};
use crate::makers;

/// The behaviour of a push actor whose handler is a JavaScript function.
pub(crate) struct JsBehaviour {
    pub(crate) slot: u32,
    /// The slot of the function that makes a fresh handler at each restart in place.
    maker: Option<Arc<Maker>>,
    host: Arc<Host>,
}

/// A function that makes handlers; its slot is free when the last actor made by it is gone.
pub(crate) struct Maker {
    slot: u32,
    host: Arc<Host>,
}

impl Maker {
    pub(crate) fn new(slot: u32, host: &Arc<Host>) -> Arc<Self> {
        Arc::new(Self { slot, host: Arc::clone(host) })
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.host.post(Event::FunctionFree { slot: self.slot });
    }
}

impl Behaviour for JsBehaviour {
    /// Never reached on the JavaScript thread, which steps turns by hand: whoever else runs the actor, after the
    /// environment ended, can only end it.
    fn handle(&self, _context: &Context<'_>, _message: Message) -> Flow {
        Flow::Stop(ExitReason::Killed)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        let Some(maker) = &self.maker else { return Ok(None) };
        let fresh = makers::call(maker.slot, |slots, slot| slots.made(slot, Arc::clone(maker), &self.host))?;
        Ok(Some(fresh))
    }
}

impl Drop for JsBehaviour {
    fn drop(&mut self) {
        self.host.post(Event::SlotFree { slot: self.slot });
    }
}

#[derive(Default)]
struct Slot {
    behaviour: Weak<JsBehaviour>,
    /// Its function returned a promise once: it is given one message a turn, as the rest would be put back.
    is_async: bool,
}

/// The slots of one runtime; on the JavaScript thread.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
}

impl Slots {
    /// The behaviour of a slot, made anew where no actor has it.
    #[inline]
    pub(crate) fn behaviour(&mut self, slot: u32, host: &Arc<Host>) -> Arc<JsBehaviour> {
        if let Some(behaviour) = self.slots.get(slot as usize).and_then(|slot| slot.behaviour.upgrade()) {
            return behaviour;
        }
        let behaviour = Arc::new(JsBehaviour { slot, maker: None, host: Arc::clone(host) });
        self.entry(slot).behaviour = Arc::downgrade(&behaviour);
        behaviour
    }

    /// A behaviour of its own for a handler that a function made and will make again.
    pub(crate) fn made(&mut self, slot: u32, maker: Arc<Maker>, host: &Arc<Host>) -> Arc<JsBehaviour> {
        let behaviour = Arc::new(JsBehaviour { slot, maker: Some(maker), host: Arc::clone(host) });
        *self.entry(slot) = Slot { behaviour: Arc::downgrade(&behaviour), is_async: false };
        behaviour
    }

    /// Whether no actor has this slot's function any more.
    pub(crate) fn is_free(&mut self, slot: u32) -> bool {
        let entry = self.entry(slot);
        let free = entry.behaviour.strong_count() == 0;
        if free {
            entry.is_async = false;
        }
        free
    }

    pub(crate) fn is_async(&self, slot: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.is_async)
    }

    pub(crate) fn set_async(&mut self, slot: u32) {
        self.entry(slot).is_async = true;
    }

    fn entry(&mut self, slot: u32) -> &mut Slot {
        let index = slot as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, Slot::default);
        }
        &mut self.slots[index]
    }
}
