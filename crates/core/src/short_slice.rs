//! Short slice: asks the operating system to run the calling thread soon after each of its waits.
//!
//! A thread that wakes on a machine whose cores are all busy waits until one of those that run has used up its slice, some
//! 3 ms. Linux lets a thread choose a shorter slice for itself, and since version 6.12 a waking thread with a shorter slice
//! goes before those with longer ones (`sched_setattr(2)`; the EEVDF scheduler after I. Stoica and H. Abdel-Wahab,
//! "Earliest Eligible Virtual Deadline First", 1995). Its share of the core stays the same, so nobody needs a right for
//! it. Older versions take no notice, and elsewhere nothing is asked.

#[cfg(target_os = "linux")]
pub(crate) fn ask() {
    use std::mem::{size_of, zeroed};

    /// The shortest slice there is, in nanoseconds.
    const SLICE_NS: u64 = 100_000;

    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0);
    // SAFETY: plain numbers, of which all bits 0 are a value.
    let mut attributes: libc::sched_attr = unsafe { zeroed() };
    // SAFETY: thread 0 is the calling one; the kernel writes at most `size` bytes, and reads as many below.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 || i64::from(attributes.sched_policy) != i64::from(libc::SCHED_OTHER) {
        return;
    }
    attributes.sched_runtime = SLICE_NS;
    // SAFETY: as above. A refusal costs promptness under load and nothing else.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ask() {}
