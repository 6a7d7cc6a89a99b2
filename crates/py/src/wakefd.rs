//! Waker: how another thread tells an event loop that there is work.
//!
//! Where loops can watch a file descriptor it takes one system call and no GIL. Where they cannot, as on Windows, a thread
//! of ours calls `call_soon_threadsafe` for whoever wakes.

use std::sync::Arc;

use crate::parker::Parker;

/// How one loop is woken.
pub(crate) enum Waker {
    /// The loop reads this descriptor.
    #[cfg(unix)]
    Fd(WakeFd),
    /// A thread waits here to tell the loop.
    Thread(Arc<Parker>),
}

impl Waker {
    /// Tells the loop; from any thread.
    pub(crate) fn signal(&self) {
        match self {
            #[cfg(unix)]
            Self::Fd(fd) => fd.signal(),
            Self::Thread(parker) => parker.unpark(),
        }
    }

    /// Takes the news in; on the loop's thread.
    pub(crate) fn clear(&self) {
        #[cfg(unix)]
        if let Self::Fd(fd) = self {
            fd.clear();
        }
    }
}

#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A file descriptor that becomes readable when it is signalled.
#[cfg(unix)]
pub(crate) struct WakeFd {
    read: OwnedFd,
    /// `None`: an eventfd, written where it is read.
    write: Option<OwnedFd>,
}

#[cfg(unix)]
impl WakeFd {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> std::io::Result<Self> {
        // SAFETY: a plain system call; the descriptor it gives is ours alone.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(Self { read: unsafe { OwnedFd::from_raw_fd(fd) }, write: None })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> std::io::Result<Self> {
        use std::os::unix::net::UnixStream;
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Self { read: read.into(), write: Some(write.into()) })
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    /// Makes it readable. Full, it is readable already.
    pub(crate) fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        // SAFETY: an open descriptor and a buffer of this length.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable until the next signal.
    pub(crate) fn clear(&self) {
        let mut buffer = [0_u8; 512];
        // SAFETY: an open descriptor and a buffer of this length.
        unsafe { libc::read(self.raw(), buffer.as_mut_ptr().cast(), buffer.len()) };
    }
}
