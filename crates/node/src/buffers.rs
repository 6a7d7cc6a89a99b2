//! Buffers: memory JavaScript fills in place and hands over without copying it.
//!
//! The memory is ours; JavaScript sees it through an ArrayBuffer that is detached when the memory is sent, so no view can
//! write to a message, nor point at freed memory. Whoever receives it sees the same memory again.

use iris_core::{Error, ErrorKind, Payload};
use napi::bindgen_prelude::Unknown;
use napi::{Env, sys};
use napi_derive::napi;

use crate::errors::Result;
use crate::memory::{Memory, show};
use crate::native::Native;
use crate::parcels::LENGTH_MAX;
use crate::raw::{self, Keep};
use crate::shelf::Shelf;

/// The buffers of one JavaScript environment that were not handed over yet.
#[napi]
pub struct Buffers {
    open: Shelf<Open>,
}

struct Open {
    memory: Memory,
    array_buffer: Keep,
}

/// A buffer that was allocated.
#[napi(object, object_from_js = false)]
pub struct Allocated<'a> {
    /// Its id.
    pub id: u32,
    /// Its memory, all zero.
    pub array_buffer: Unknown<'a>,
}

#[napi]
impl Buffers {
    /// No buffers.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { open: Shelf::default() }
    }

    /// Allocates a buffer.
    #[napi]
    pub fn allocate<'a>(&mut self, env: Env, size: u32) -> Result<Allocated<'a>> {
        let Some(memory) = Memory::zeroed((size as usize).min(LENGTH_MAX)) else {
            return Err(napi::Error::from_reason(format!("there is no memory for a buffer of {size} bytes")));
        };
        let Some(value) = show(env.raw(), memory.clone()) else {
            return Err(napi::Error::from_reason("this host allows no ArrayBuffers of native memory"));
        };
        let id = self.open.put(Open { memory, array_buffer: Keep::new(env.raw(), value) });
        // SAFETY: the value just made.
        Ok(Allocated { id, array_buffer: unsafe { Unknown::from_raw_unchecked(env.raw(), value) } })
    }

    /// Sends a buffer: its ArrayBuffer is detached and the id unknown from then on. False, with the buffer kept: the
    /// message was refused.
    #[napi]
    pub fn send(&mut self, runtime: &Native, pid: f64, id: f64) -> Result<bool> {
        let state = &runtime.state;
        // Where JavaScript transferred the ArrayBuffer the memory is another's: it could still be written when it was sent.
        let number = raw::id_of(id).and_then(|id| u32::try_from(id).ok());
        let open = number.and_then(|number| Some((number, self.open.get_mut(number)?)));
        let open = open.filter(|(_, open)| !raw::is_detached(state.env, open.array_buffer.get()));
        let Some((number, open)) = open else {
            drop(number.and_then(|number| self.open.take(number)));
            let message = format!("no buffer has id {id}: it was handed over, or never allocated");
            return Err(state.raise(&Error::new(ErrorKind::NoSuchBuffer, message)));
        };
        let Some(pid) = raw::pid_of(pid) else { return Ok(false) };
        // JavaScript does not run between the send and the detaching, so nothing is written to what was sent.
        if state.runtime.try_send(pid, Payload::host(open.memory.clone())).is_err() {
            return Ok(false);
        }
        // SAFETY: a value of the current callback.
        napi::check_status!(unsafe { sys::napi_detach_arraybuffer(state.env, open.array_buffer.get()) })?;
        drop(self.open.take(number));
        Ok(true)
    }
}
