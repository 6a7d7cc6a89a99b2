//! Buffers: memory JavaScript fills in place and hands over without copying it.
//!
//! The memory is ours; JavaScript sees it through an ArrayBuffer that is detached when the memory is sent, so no view can
//! write to a message, nor point at freed memory.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use iris_core::{Error, ErrorKind, Payload};
use napi::bindgen_prelude::Unknown;
use napi::{Env, sys};
use napi_derive::napi;

use crate::errors::Result;
use crate::native::Native;
use crate::parcels::LENGTH_MAX;
use crate::raw::{self, Keep};
use crate::shelf::Shelf;

/// Memory of one buffer: written by JavaScript until it is detached, only read afterwards.
struct Memory(Box<UnsafeCell<[u8]>>);

// SAFETY: JavaScript writes on its own thread and only before the memory is sent; from then on everybody only reads.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// The memory as a message's bytes.
struct Sent(Arc<Memory>);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: made only when the ArrayBuffer is being detached: nobody writes any more.
        unsafe { &*self.0.0.get() }
    }
}

/// The buffers of one JavaScript environment that were not handed over yet.
#[napi]
pub struct Buffers {
    open: Shelf<Open>,
}

struct Open {
    memory: Arc<Memory>,
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
        let zeros: Box<[u8]> = vec![0; (size as usize).min(LENGTH_MAX)].into_boxed_slice();
        let length = zeros.len();
        // SAFETY: `UnsafeCell<[u8]>` has the layout of `[u8]`.
        let cell = unsafe { Box::from_raw(Box::into_raw(zeros) as *mut UnsafeCell<[u8]>) };
        let memory = Arc::new(Memory(cell));
        let data = memory.0.get().cast::<c_void>();
        let hint = Arc::into_raw(Arc::clone(&memory)).cast_mut().cast();
        let mut value = ptr::null_mut();
        // SAFETY: the memory lives until `release`, which gives the count back.
        let status = unsafe {
            sys::napi_create_external_arraybuffer(
                env.raw(),
                data,
                length,
                Some(release),
                hint,
                &raw mut value,
            )
        };
        napi::check_status!(status)?;
        let id = self.open.put(Open { memory, array_buffer: Keep::new(env.raw(), value) });
        // SAFETY: the value just made.
        Ok(Allocated { id, array_buffer: unsafe { Unknown::from_raw_unchecked(env.raw(), value) } })
    }

    /// Sends a buffer: its ArrayBuffer is detached and the id unknown from then on. False, with the buffer kept: the
    /// message was refused.
    #[napi]
    pub fn send(&mut self, runtime: &Native, pid: f64, id: u32) -> Result<bool> {
        let state = &runtime.state;
        let Some(open) = self.open.get_mut(id) else {
            let message = format!("no buffer has id {id}: it was handed over, or never allocated");
            return Err(state.raise(&Error::new(ErrorKind::NoSuchBuffer, message)));
        };
        let Some(pid) = raw::pid_of(pid) else { return Ok(false) };
        let payload = Payload::from(Bytes::from_owner(Sent(Arc::clone(&open.memory))));
        // JavaScript does not run between the send and the detaching, so nothing is written to what was sent.
        if state.runtime.try_send(pid, payload).is_err() {
            return Ok(false);
        }
        // SAFETY: a value of the current callback.
        napi::check_status!(unsafe { sys::napi_detach_arraybuffer(state.env, open.array_buffer.get()) })?;
        drop(self.open.take(id));
        Ok(true)
    }
}

unsafe extern "C" fn release(_env: raw::Env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` came from `Arc::into_raw` in `allocate`; Node calls a finalizer once.
    drop(unsafe { Arc::from_raw(hint.cast::<Memory>().cast_const()) });
}
