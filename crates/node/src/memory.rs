//! Memory: bytes of ours that JavaScript sees in place, through an ArrayBuffer that keeps them.

use std::alloc::{self, Layout};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use bytes::Bytes;
use iris_core::{HostBytes, PayloadView};
use napi::sys;

use crate::raw::{Env, Value};

/// From this size on showing bytes in place (5 us) is cheaper than copying them.
const IN_PLACE_MIN: usize = 256 * 1024;

/// Memory that is either one ArrayBuffer's, or one message's, never both: whoever sends it detaches the ArrayBuffer first.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Cells>);

struct Cells(Box<UnsafeCell<[u8]>>);

// SAFETY: JavaScript writes on its own thread, and only through the one ArrayBuffer; a message's bytes are only read.
unsafe impl Send for Cells {}
// SAFETY: as above.
unsafe impl Sync for Cells {}

impl Memory {
    /// So many zero bytes; `None` where there is no memory for them, which is no reason to end the process.
    pub(crate) fn zeroed(size: usize) -> Option<Self> {
        let layout = Layout::array::<u8>(size).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the layout is not empty. The memory is given back as a box of `UnsafeCell<[u8]>`, which has the layout of
        // `[u8]`.
        let cells = unsafe {
            let data = NonNull::new(alloc::alloc_zeroed(layout))?;
            Box::from_raw(ptr::slice_from_raw_parts_mut(data.as_ptr(), size) as *mut UnsafeCell<[u8]>)
        };
        Some(Self(Arc::new(Cells(cells))))
    }

    fn data(&self) -> *mut [u8] {
        self.0.0.get()
    }
}

// SAFETY: the memory never moves; a payload exists only while no ArrayBuffer shows it, so its bytes do not change.
unsafe impl HostBytes for Memory {
    fn into_raw(self) -> NonNull<()> {
        let raw = Arc::into_raw(self.0).cast_mut().cast();
        // SAFETY: an `Arc` is never null.
        unsafe { NonNull::new_unchecked(raw) }
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the caller's promise: from `into_raw`, once.
        Self(unsafe { Arc::from_raw(raw.as_ptr().cast_const().cast()) })
    }

    unsafe fn slice<'a>(raw: NonNull<()>) -> &'a [u8] {
        // SAFETY: the caller's promise: `raw` points to `Cells` that live during `'a`; nobody writes meanwhile.
        unsafe { &*(*raw.as_ptr().cast_const().cast::<Cells>()).0.get() }
    }
}

/// An ArrayBuffer that shows this memory and keeps it.
pub(crate) fn show(env: Env, memory: Memory) -> Option<Value> {
    let data = memory.data();
    show_bytes(env, data.cast(), data.len(), memory)
}

/// An ArrayBuffer that shows a payload in place, where it is large and nobody else can read it any more: the message it
/// belongs to is dropped once it was handled, and put back only if JavaScript never saw it.
pub(crate) fn show_payload(env: Env, payload: PayloadView<'_>) -> Option<Value> {
    if let Some(raw) = payload.as_host::<Memory>() {
        // SAFETY: the payload owns one count of the `Arc`, which stays its own; the clone has a count of its own.
        let memory = std::mem::ManuallyDrop::new(unsafe { Memory::from_raw(raw) });
        return show(env, Memory::clone(&memory));
    }
    let bytes = payload.shared()?;
    if bytes.len() < IN_PLACE_MIN || !bytes.is_unique() {
        return None;
    }
    show_bytes(env, bytes.as_ptr().cast_mut(), bytes.len(), Bytes::clone(bytes))
}

fn show_bytes<Owner: 'static>(env: Env, data: *mut u8, length: usize, owner: Owner) -> Option<Value> {
    let hint = Box::into_raw(Box::new(owner));
    let mut value = ptr::null_mut();
    // SAFETY: the owner keeps the bytes where they are until `release`.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            data.cast(),
            length,
            Some(release::<Owner>),
            hint.cast(),
            &raw mut value,
        )
    };
    if status == sys::Status::napi_ok {
        return Some(value);
    }
    // A host that does not allow such ArrayBuffers: the caller copies.
    // SAFETY: `hint` was made above and given to nobody.
    drop(unsafe { Box::from_raw(hint) });
    None
}

unsafe extern "C" fn release<Owner>(_env: Env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `hint` came from `show_bytes`; Node calls a finalizer once.
    drop(unsafe { Box::from_raw(hint.cast::<Owner>()) });
}
