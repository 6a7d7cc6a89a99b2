//! Frame: the words shared with JavaScript, in which a batch is described. js/frame.js has the same numbers.
//!
//! ```text
//! 0 events   1 turns   2 interrupts seen   3,4 place of a received message   5 number to answer it by
//! 8..        events, 4 words each: kind and up to three numbers
//! 2056..     turns: slot, count of messages, then offset and size of each
//! ```

use std::ptr::{self, NonNull};

use napi::sys;

use crate::raw::{Env, Keep, Value};

/// Most events of a batch.
pub(crate) const EVENTS_MAX: usize = 512;
/// Words of an event.
pub(crate) const EVENT_WORDS: usize = 4;
/// Most messages of a batch: enough to make the crossing cheap (about 200 ns), few enough to put back.
pub(crate) const MESSAGES_MAX: usize = 1024;

pub(crate) const EVENTS: usize = 0;
pub(crate) const TURNS: usize = 1;
pub(crate) const INTERRUPTS: usize = 2;
pub(crate) const RECEIVED: usize = 3;
pub(crate) const FIRST_EVENT: usize = 8;
pub(crate) const FIRST_TURN: usize = FIRST_EVENT + EVENTS_MAX * EVENT_WORDS;
/// Every message may be a turn of its own: two words for it and two for its turn.
pub(crate) const WORDS: usize = FIRST_TURN + MESSAGES_MAX * 4;

/// The shared words.
pub(crate) struct Frame {
    words: NonNull<u32>,
    _keep: Keep,
}

impl Frame {
    /// The words of a `Uint32Array`.
    pub(crate) fn new(env: Env, array: Value) -> napi::Result<Self> {
        let (mut kind, mut length, mut data) = (sys::TypedarrayType::uint8_array, 0, ptr::null_mut());
        // SAFETY: a value of the current callback; the array is kept, so its memory stays where it is.
        unsafe {
            napi::check_status!(sys::napi_get_typedarray_info(
                env,
                array,
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            ))?;
        }
        match NonNull::new(data.cast()) {
            Some(words) if kind == sys::TypedarrayType::uint32_array && length >= WORDS => {
                Ok(Self { words, _keep: Keep::new(env, array) })
            }
            _ => Err(napi::Error::new(napi::Status::InvalidArg, "the frame is too small")),
        }
    }

    /// Writes a word.
    #[inline]
    pub(crate) fn set(&self, index: usize, word: u32) {
        debug_assert!(index < WORDS);
        // SAFETY: the array has at least `WORDS` words, callers stay below; only this thread touches it.
        unsafe { self.words.add(index).write(word) };
    }
}
