//! Payload: one message's bytes, kept inline, shared, or as the host language's own object.

use std::fmt;
use std::ptr::NonNull;

use bytes::Bytes;

/// Bytes up to this length live inside the mailbox node itself: it fills the node to one cache line of 64 bytes.
pub const INLINE_MAX: usize = 38;

/// A message's content. Cheap to move; short contents need no allocation of their own.
///
/// ```
/// use iris_core::Payload;
/// assert_eq!(Payload::copy_from(b"hello").as_slice(), b"hello");
/// assert_eq!(Payload::from(vec![7; 1000]).len(), 1000);
/// ```
pub struct Payload(Repr);

enum Repr {
    Inline { len: u8, data: [u8; INLINE_MAX] },
    Shared(Bytes),
    Host(Host),
}

/// An object of a host language that holds immutable bytes, such as a Python `bytes`.
///
/// # Safety
/// `slice` must stay valid and unchanged from `into_raw` until `from_raw`, on any thread, without any lock of the host
/// held; dropping `Self` must be sound on any thread.
pub unsafe trait HostBytes: Send + Sized + 'static {
    /// Gives the object up as a pointer.
    fn into_raw(self) -> NonNull<()>;

    /// Takes the object back.
    ///
    /// # Safety
    /// `raw` came from `into_raw` and is taken back once.
    unsafe fn from_raw(raw: NonNull<()>) -> Self;

    /// The bytes the object holds.
    ///
    /// # Safety
    /// `raw` came from `into_raw` and was not taken back during `'a`.
    unsafe fn slice<'a>(raw: NonNull<()>) -> &'a [u8];
}

struct Host {
    raw: NonNull<()>,
    vtable: &'static HostVtable,
}

struct HostVtable {
    type_id: fn() -> std::any::TypeId,
    slice: unsafe fn(NonNull<()>) -> *const [u8],
    drop: unsafe fn(NonNull<()>),
}

struct VtableOf<T>(std::marker::PhantomData<T>);

impl<T: HostBytes> VtableOf<T> {
    const VTABLE: HostVtable = HostVtable {
        type_id: std::any::TypeId::of::<T>,
        // SAFETY: the vtable is only called with a pointer from `T::into_raw`, while `Host` owns the object.
        slice: |raw| unsafe { std::ptr::from_ref(T::slice(raw)) },
        // SAFETY: as above, and `Host::drop` runs once.
        drop: |raw| unsafe { drop(T::from_raw(raw)) },
    };
}

// SAFETY: `HostBytes` requires `Send` of the object behind the pointer.
unsafe impl Send for Host {}
// SAFETY: the only shared access is `slice`, which `HostBytes` allows on any thread.
unsafe impl Sync for Host {}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `into_raw` of the vtable's type and `self` owns it.
        unsafe { (self.vtable.drop)(self.raw) }
    }
}

impl Payload {
    /// A copy of these bytes: inline up to [`INLINE_MAX`], else in one allocation.
    #[must_use]
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_MAX {
            let mut data = [0; INLINE_MAX];
            data[..bytes.len()].copy_from_slice(bytes);
            #[expect(clippy::cast_possible_truncation, reason = "INLINE_MAX is below 256")]
            return Self(Repr::Inline { len: bytes.len() as u8, data });
        }
        Self(Repr::Shared(Bytes::copy_from_slice(bytes)))
    }

    /// The host's object itself, not copied.
    pub fn host<T: HostBytes>(object: T) -> Self {
        Self(Repr::Host(Host { raw: object.into_raw(), vtable: &VtableOf::<T>::VTABLE }))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
            // SAFETY: `host` owns the object for as long as `self` is borrowed.
            Repr::Host(host) => unsafe { &*(host.vtable.slice)(host.raw) },
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The host's object, if this payload holds one of type `T`.
    ///
    /// # Errors
    /// Gives the payload back if it holds anything else.
    pub fn into_host<T: HostBytes>(self) -> Result<T, Self> {
        match self.0 {
            Repr::Host(host) if (host.vtable.type_id)() == std::any::TypeId::of::<T>() => {
                let host = std::mem::ManuallyDrop::new(host);
                // SAFETY: the vtable's type is `T`, and `ManuallyDrop` leaves the object to us alone.
                Ok(unsafe { T::from_raw(host.raw) })
            }
            repr => Err(Self(repr)),
        }
    }

    /// The host's object, as a look that leaves it here, if this payload holds one of type `T`.
    #[must_use]
    pub fn as_host<T: HostBytes>(&self) -> Option<NonNull<()>> {
        match &self.0 {
            Repr::Host(host) if (host.vtable.type_id)() == std::any::TypeId::of::<T>() => Some(host.raw),
            _ => None,
        }
    }

    /// The shared buffer the bytes are in, if they are in one.
    #[must_use]
    pub fn shared(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Shared(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes as a shared buffer: no copy where they are shared already.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Shared(bytes) => bytes,
            repr => Bytes::copy_from_slice(Self(repr).as_slice()),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        if bytes.len() <= INLINE_MAX { Self::copy_from(&bytes) } else { Self(Repr::Shared(bytes)) }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Self::copy_from(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
