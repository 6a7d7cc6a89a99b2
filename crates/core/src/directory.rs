//! Directory: a long array of pointers that costs memory only where it is used.

use crate::sync::AtomicPtr;

/// An array of null pointers.
#[cfg(not(any(loom, shuttle)))]
#[expect(clippy::cast_ptr_alignment, reason = "allocated with the layout of the array")]
pub(crate) fn directory<T>(length: usize) -> Box<[AtomicPtr<T>]> {
    let layout = std::alloc::Layout::array::<AtomicPtr<T>>(length.max(1)).expect("the directory fits");
    // SAFETY: the layout is not empty, and a zeroed `AtomicPtr` is a null one. Zeroed by the allocator, a page of the
    // array is not touched before it is used.
    unsafe {
        let first = std::alloc::alloc_zeroed(layout).cast::<AtomicPtr<T>>();
        if first.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        Box::from_raw(std::ptr::slice_from_raw_parts_mut(first, length.max(1)))
    }
}

/// An array of null pointers, as long as any model needs.
#[cfg(any(loom, shuttle))]
pub(crate) fn directory<T>(length: usize) -> Box<[AtomicPtr<T>]> {
    (0..length.min(64)).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect()
}
