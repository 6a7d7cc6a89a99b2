//! Parcels: payloads on their way to JavaScript, written into slabs that JavaScript makes views on.
//!
//! A native Buffer costs 300 to 700 ns to make; a view made in JavaScript on an ArrayBuffer that is already there costs 10
//! to 20. So small payloads are copied one behind the other into a slab, and only their offset and length are handed over.
//! A slab is never written twice: a message a user keeps holds its slab alive, as a small Buffer holds Node's own pool.
//!
//! A slab is memory of JavaScript's: whoever has a message in hand can detach it, and then it is somebody else's, or freed.
//! So [`Parcels::forget_detached`] looks whenever JavaScript may have run since the last write.

use std::ptr::{self, NonNull};

use napi::sys;

use iris_core::{PayloadView, SHORT_MAX};

use crate::memory;
use crate::raw::{self, Env, Keep, Value};

/// Size of a slab: twice Node's own Buffer pool, so that a slab serves 1,000 messages of 16 bytes, and one message that is
/// kept holds no more than this.
const SLAB_BYTES: usize = 16 * 1024;
/// Payloads beyond this have an ArrayBuffer of their own: copying costs more than making it from here on.
const SHARED_MAX: usize = 2 * 1024;
/// Where a payload starts is a multiple of this, so that users may lay a typed array of doubles over it.
const ALIGNMENT: usize = 8;

/// The payload lies at the start of the next part, a slab: the following ones lie there too.
pub(crate) const NEXT_SLAB: u32 = 1 << 31;
/// The payload is the whole next part.
pub(crate) const OWN_PART: u32 = 1 << 30;
/// Somebody waits for an answer to this message.
pub(crate) const WANTS_REPLY: u32 = 1 << 29;
/// The longest message: what the bits below the flags can say.
pub(crate) const LENGTH_MAX: usize = (1 << 29) - 1;

/// Where a payload was put.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: u32,
    /// Length and flags.
    pub(crate) size: u32,
}

/// The writer: the slab in use, and the array of parts JavaScript reads with.
///
/// Part 0 is the slab in use when a batch begins; each [`NEXT_SLAB`] and [`OWN_PART`] takes one part more.
pub(crate) struct Parcels {
    env: Env,
    parts: Keep,
    count: u32,
    slab: Option<Slab>,
    /// Part 0 is the slab in use.
    is_first: bool,
}

struct Slab {
    keep: Keep,
    data: NonNull<u8>,
    used: usize,
}

impl Parcels {
    /// A writer that hands its parts over in this array.
    pub(crate) fn new(env: Env, parts: Value) -> Self {
        Self { env, parts: Keep::new(env, parts), count: 0, slab: None, is_first: false }
    }

    /// Begins a batch: the slab in use becomes part 0.
    pub(crate) fn begin(&mut self) {
        self.count = 0;
        self.forget_detached();
        if self.slab.is_none() {
            self.slab = new_slab(self.env);
            self.is_first = false;
        }
        if self.is_first {
            self.count = 1;
        } else if let Some(slab) = &self.slab {
            let value = slab.keep.get();
            self.hand_over(value);
            self.is_first = true;
        }
    }

    /// Begins a batch of one, for a reader that keeps the slab in use in mind: a new part is part 0.
    #[inline]
    pub(crate) fn begin_one(&mut self) {
        self.count = 0;
        self.forget_detached();
    }

    /// Writes no more to a slab whose memory JavaScript took away.
    #[inline]
    pub(crate) fn forget_detached(&mut self) {
        if self.slab.as_ref().is_some_and(|slab| raw::is_detached(self.env, slab.keep.get())) {
            self.slab = None;
        }
    }

    /// Copies a payload to where JavaScript can see it. The caller checked its length against [`LENGTH_MAX`].
    #[inline]
    pub(crate) fn put(&mut self, payload: PayloadView<'_>) -> Place {
        if let (Some((bytes, length)), Some(slab)) = (payload.as_short(), &mut self.slab)
            && slab.used + bytes.len() <= SLAB_BYTES
        {
            return slab.put_short(bytes, length);
        }
        let bytes = payload.as_slice();
        if bytes.len() > SHARED_MAX {
            return self.put_alone(payload);
        }
        if let Some(slab) = &mut self.slab
            && slab.used + bytes.len() <= SLAB_BYTES
        {
            return slab.put(bytes);
        }
        self.put_in_next(bytes)
    }

    #[cold]
    fn put_in_next(&mut self, bytes: &[u8]) -> Place {
        self.slab = new_slab(self.env);
        self.is_first = false;
        let Some(slab) = &mut self.slab else { return Place { offset: 0, size: 0 } };
        let value = slab.keep.get();
        let mut place = slab.put(bytes);
        place.size |= NEXT_SLAB;
        self.hand_over(value);
        place
    }

    #[expect(clippy::cast_possible_truncation, reason = "the caller checked the length")]
    fn put_alone(&mut self, payload: PayloadView<'_>) -> Place {
        let bytes = payload.as_slice();
        let shown = memory::show_payload(self.env, payload).or_else(|| {
            let (value, data) = new_array_buffer(self.env, bytes.len())?;
            // SAFETY: a fresh ArrayBuffer of this length.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.as_ptr(), bytes.len()) };
            Some(value)
        });
        let Some(value) = shown else { return Place { offset: 0, size: 0 } };
        self.hand_over(value);
        Place { offset: 0, size: bytes.len() as u32 | OWN_PART }
    }

    fn hand_over(&mut self, value: Value) {
        // SAFETY: values of the current callback.
        unsafe { sys::napi_set_element(self.env, self.parts.get(), self.count, value) };
        self.count += 1;
    }
}

impl Slab {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Place {
        // SAFETY: the caller checked that the bytes fit behind `used`; nothing was handed out there yet, so no JavaScript
        // view looks at that memory; `keep` holds it.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.data.as_ptr().add(self.used), bytes.len());
        }
        self.used_up(bytes.len())
    }

    /// As [`Slab::put`], where so many of the bytes count: what is behind them is written over.
    #[inline]
    fn put_short(&mut self, bytes: &[u8; SHORT_MAX], length: usize) -> Place {
        // SAFETY: as in `put`.
        unsafe { self.data.as_ptr().add(self.used).cast::<[u8; SHORT_MAX]>().write(*bytes) };
        self.used_up(length)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a slab is smaller than 2^32")]
    fn used_up(&mut self, length: usize) -> Place {
        let offset = self.used;
        self.used = (offset + length).next_multiple_of(ALIGNMENT);
        Place { offset: offset as u32, size: length as u32 }
    }
}

fn new_slab(env: Env) -> Option<Slab> {
    let (value, data) = new_array_buffer(env, SLAB_BYTES)?;
    Some(Slab { keep: Keep::new(env, value), data, used: 0 })
}

fn new_array_buffer(env: Env, length: usize) -> Option<(Value, NonNull<u8>)> {
    let (mut value, mut data) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the environment of the current callback.
    let status = unsafe { sys::napi_create_arraybuffer(env, length, &raw mut data, &raw mut value) };
    if status != sys::Status::napi_ok {
        return None;
    }
    Some((value, NonNull::new(data.cast())?))
}
