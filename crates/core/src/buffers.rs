//! Buffers: memory that is filled in place and then handed over as a message without copying.
//!
//! ```
//! use iris_core::buffers::Buffers;
//! let buffers = Buffers::default();
//! let id = buffers.allocate(4)?;
//! buffers.with_mut(id, |bytes| bytes.copy_from_slice(b"ping"))?;
//! assert_eq!(buffers.take(id)?, &b"ping"[..]);
//! assert!(buffers.take(id).is_err());
//! # Ok::<(), iris_core::Error>(())
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// Largest buffer in bytes: a message beyond a gibibyte is a file.
pub const BUFFER_BYTES_MAX: usize = 1 << 30;
/// Buffers allocated and not yet handed over: more are forgotten ones.
pub const BUFFERS_MAX: usize = 65_536;

/// Buffers by id.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    /// Each under a lock of its own, so that filling one holds up nobody else.
    buffers: HashMap<u64, Arc<Mutex<Option<Vec<u8>>>>>,
    last_id: u64,
}

impl Buffers {
    /// A buffer of `size` zero bytes. Its id, never 0, is not used again.
    ///
    /// # Errors
    /// `InvalidArgument` above [`BUFFER_BYTES_MAX`]; `LimitReached` for more than [`BUFFERS_MAX`] buffers.
    pub fn allocate(&self, size: usize) -> Result<u64> {
        if size > BUFFER_BYTES_MAX {
            return Err(Error::invalid(format!("a buffer has at most {BUFFER_BYTES_MAX} bytes, not {size}")));
        }
        let buffer = Arc::new(Mutex::new(Some(vec![0; size])));
        let mut registry = self.0.lock();
        if registry.buffers.len() >= BUFFERS_MAX {
            let message = format!("{BUFFERS_MAX} buffers are allocated and neither handed over nor freed");
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        registry.last_id += 1;
        let id = registry.last_id;
        registry.buffers.insert(id, buffer);
        Ok(id)
    }

    /// Lets `fill` see and change the bytes.
    ///
    /// # Errors
    /// `NoSuchBuffer` for an id that is unknown, freed or handed over.
    pub fn with_mut<R>(&self, id: u64, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R> {
        let buffer = self.0.lock().buffers.get(&id).cloned().ok_or_else(|| no_such_buffer(id))?;
        let mut bytes = buffer.lock();
        bytes.as_mut().map(|bytes| fill(bytes)).ok_or_else(|| no_such_buffer(id))
    }

    /// Takes the buffer out as a message's bytes, without copying. Waits for a `with_mut` in progress.
    ///
    /// # Errors
    /// As [`Buffers::with_mut`].
    pub fn take(&self, id: u64) -> Result<Bytes> {
        let buffer = self.0.lock().buffers.remove(&id).ok_or_else(|| no_such_buffer(id))?;
        let bytes = buffer.lock().take();
        bytes.map(Bytes::from).ok_or_else(|| no_such_buffer(id))
    }

    /// Gives the buffer back unused. False: the id is unknown, freed or handed over.
    pub fn free(&self, id: u64) -> bool {
        self.0.lock().buffers.remove(&id).is_some()
    }

    /// How many buffers are allocated.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().buffers.len()
    }
}

fn no_such_buffer(id: u64) -> Error {
    Error::new(ErrorKind::NoSuchBuffer, format!("buffer {id} is unknown or was handed over"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_handed_over_once_and_not_copied() {
        let buffers = Buffers::default();
        let id = buffers.allocate(1000).unwrap();
        let address = buffers.with_mut(id, |bytes| {
            assert!(bytes.len() == 1000 && bytes.iter().all(|byte| *byte == 0));
            bytes[999] = 7;
            bytes.as_ptr().addr()
        });
        let bytes = buffers.take(id).unwrap();
        assert_eq!((bytes.as_ptr().addr(), bytes[999]), (address.unwrap(), 7));
        assert_eq!(buffers.take(id).unwrap_err().kind(), ErrorKind::NoSuchBuffer);
        assert_eq!(buffers.with_mut(id, |_| ()).unwrap_err().kind(), ErrorKind::NoSuchBuffer);
        assert!(!buffers.free(id));
    }

    #[test]
    fn ids_are_not_used_again() {
        let buffers = Buffers::default();
        let first = buffers.allocate(1).unwrap();
        assert!(first != 0 && buffers.free(first) && !buffers.free(first));
        let second = buffers.allocate(0).unwrap();
        assert!(second > first);
        assert_eq!(buffers.take(first).unwrap_err().kind(), ErrorKind::NoSuchBuffer);
        assert_eq!(buffers.take(second).unwrap().len(), 0);
    }

    #[test]
    fn limits() {
        let buffers = Buffers::default();
        assert_eq!(buffers.allocate(BUFFER_BYTES_MAX + 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let ids: Vec<_> = (0..BUFFERS_MAX).map(|_| buffers.allocate(1).unwrap()).collect();
        assert_eq!(buffers.allocate(1).unwrap_err().kind(), ErrorKind::LimitReached);
        assert!(buffers.free(ids[0]));
        assert!(buffers.allocate(1).is_ok());
        assert_eq!(buffers.count(), BUFFERS_MAX);
    }
}
