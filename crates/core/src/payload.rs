//! Payload: one message's bytes, kept inline, shared, or as the host language's own object.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZeroU64;
use std::ptr::NonNull;

use bytes::Bytes;

/// Bytes up to this length live inside the mailbox node itself.
pub const INLINE_MAX: usize = 32;

/// Bytes up to this length, and objects of a host language, make do with a node of half a cache line.
pub const SHORT_MAX: usize = 16;

/// A body as it is moved, whatever it holds.
pub(crate) type Words = [MaybeUninit<u64>; INLINE_MAX / 8];

/// A message's content. Cheap to move; short contents need no allocation of their own.
///
/// ```
/// use iris_core::Payload;
/// assert_eq!(Payload::copy_from(b"hello").as_slice(), b"hello");
/// assert_eq!(Payload::from(vec![7; 1000]).len(), 1000);
/// ```
//
// An enum by hand, in whole words. The tag of an enum is a byte of its own, and a compiler that keeps it in a register
// moves the bytes behind it in odd pieces: each of them is a load that overlaps the stores before it and must wait for
// them. `iris-bench ping_pong` took 1.3 times as long with it, as the best of five runs each, back to back.
#[repr(C)]
pub struct Payload {
    body: Body,
    head: Head,
}

/// What a [`Body`] holds, and how much.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(NonZeroU64);

#[repr(C)]
union Body {
    /// Bytes as they lie in memory, or what the others are made of. Of inline bytes the first [`SHORT_MAX`] are written in
    /// any case, with zeros where they are not used.
    words: Words,
    shared: ManuallyDrop<Bytes>,
    host: ManuallyDrop<Host>,
}

impl Head {
    const HOST: Self = Self(NonZeroU64::MIN);
    const EMPTY: Self = Self(NonZeroU64::MIN.saturating_add(1));
    const SHARED: Self = Self::inline(INLINE_MAX + 1);

    /// So many bytes inline.
    const fn inline(len: usize) -> Self {
        Self(Self::EMPTY.0.saturating_add(len as u64))
    }

    /// How many bytes are inline, if they are.
    #[inline]
    fn inline_len(self) -> Option<usize> {
        let len = self.0.get().wrapping_sub(Self::EMPTY.0.get());
        #[expect(clippy::cast_possible_truncation, reason = "compared before")]
        (len <= INLINE_MAX as u64).then_some(len as usize)
    }
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

#[repr(C)]
struct Host {
    raw: NonNull<()>,
    vtable: &'static HostVtable,
}

struct HostVtable {
    type_id: TypeId,
    slice: unsafe fn(NonNull<()>) -> *const [u8],
    drop: unsafe fn(NonNull<()>),
}

struct VtableOf<T>(PhantomData<T>);

impl<T: HostBytes> VtableOf<T> {
    const VTABLE: HostVtable = HostVtable {
        type_id: TypeId::of::<T>(),
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

/// At most [`INLINE_MAX`] bytes as words. They come in whole words and stay in registers: a copy by bytes is a call, and
/// a store that the loads behind it overlap.
#[inline]
fn words_of(bytes: &[u8]) -> Words {
    let (chunks, rest) = bytes.as_chunks::<8>();
    // No place is written by a number that is known at run time alone: that would be in memory.
    std::array::from_fn(|place| {
        MaybeUninit::new(match chunks.get(place) {
            Some(chunk) => u64::from_ne_bytes(*chunk),
            None if place == chunks.len() && !rest.is_empty() => last_word_of(bytes, rest),
            None => 0,
        })
    })
}

/// The bytes behind the last whole word, with zeros behind.
#[inline]
fn last_word_of(bytes: &[u8], rest: &[u8]) -> u64 {
    let little = if let Some(last) = bytes.last_chunk::<8>() {
        u64::from_le_bytes(*last) >> (64 - 8 * rest.len())
    } else {
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    little.to_le()
}

impl Payload {
    /// A copy of these bytes: inline up to [`INLINE_MAX`], else in one allocation.
    #[must_use]
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_MAX {
            return Self::shared_bytes(Bytes::copy_from_slice(bytes));
        }
        Self { head: Head::inline(bytes.len()), body: Body { words: words_of(bytes) } }
    }

    fn shared_bytes(bytes: Bytes) -> Self {
        Self { head: Head::SHARED, body: Body { shared: ManuallyDrop::new(bytes) } }
    }

    /// The host's object itself, not copied.
    pub fn host<T: HostBytes>(object: T) -> Self {
        let host = Host { raw: object.into_raw(), vtable: &VtableOf::<T>::VTABLE };
        Self { head: Head::HOST, body: Body { host: ManuallyDrop::new(host) } }
    }

    /// A look at the content, wherever it lies.
    #[must_use]
    #[inline]
    pub fn view(&self) -> PayloadView<'_> {
        PayloadView { body: &raw const self.body, head: self.head, of: PhantomData }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.view().as_slice()
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
    #[inline]
    pub fn into_host<T: HostBytes>(self) -> Result<T, Self> {
        let Some(raw) = self.as_host::<T>() else { return Err(self) };
        let _given_up = ManuallyDrop::new(self);
        // SAFETY: the vtable's type is `T`, and `ManuallyDrop` leaves the object to us alone.
        Ok(unsafe { T::from_raw(raw) })
    }

    /// The host's object, as a look that leaves it here, if this payload holds one of type `T`.
    #[must_use]
    #[inline]
    pub fn as_host<T: HostBytes>(&self) -> Option<NonNull<()>> {
        self.view().as_host::<T>()
    }

    /// The same bytes once more: shared where they are, else copied.
    pub(crate) fn copy(&self) -> Self {
        match self.view().shared() {
            Some(bytes) => Self::shared_bytes(bytes.clone()),
            None => Self::copy_from(self.as_slice()),
        }
    }

    /// The bytes without an object of the host's, which goes.
    pub(crate) fn without_host(self) -> Self {
        if self.head == Head::HOST { self.copy() } else { self }
    }

    /// What it is, and the words it is made of, for a place that keeps them apart.
    #[inline]
    pub(crate) fn into_parts(self) -> (PayloadKind, Words) {
        let given_up = ManuallyDrop::new(self);
        // SAFETY: any body may be looked at as words that may not be written.
        (PayloadKind(given_up.head), unsafe { given_up.body.words })
    }

    /// The payload again; where the kind [is short](PayloadKind::is_short) only the first words count.
    ///
    /// # Safety
    /// The parts came from [`Payload::into_parts`], and are put together once.
    #[inline]
    pub(crate) unsafe fn from_parts(kind: PayloadKind, words: Words) -> Self {
        Self { head: kind.0, body: Body { words } }
    }

    /// The bytes as a shared buffer: no copy where they are shared already.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.head != Head::SHARED {
            return Bytes::copy_from_slice(self.as_slice());
        }
        let mut given_up = ManuallyDrop::new(self);
        // SAFETY: the head says what the body holds, and `ManuallyDrop` leaves it to us alone.
        unsafe { ManuallyDrop::take(&mut given_up.body.shared) }
    }

    #[inline(never)]
    fn drop_body(&mut self) {
        // SAFETY: the head says what the body holds; it goes once, with `self`.
        unsafe {
            if self.head == Head::SHARED {
                ManuallyDrop::drop(&mut self.body.shared);
            } else if self.head == Head::HOST {
                ManuallyDrop::drop(&mut self.body.host);
            }
        }
    }
}

/// What the words of a payload stand for.
#[derive(Clone, Copy)]
pub(crate) struct PayloadKind(Head);

impl PayloadKind {
    /// Whether the first [`SHORT_MAX`] bytes of the words are all of it.
    #[inline]
    pub(crate) fn is_short(self) -> bool {
        self.0.0 <= Head::inline(SHORT_MAX).0
    }

    /// Whether the words may be forgotten.
    #[inline]
    pub(crate) fn is_inline(self) -> bool {
        self.0.inline_len().is_some()
    }

    /// The kind as a number other than zero.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a head is at most the one of shared bytes")]
    pub(crate) fn code(self) -> u32 {
        self.0.0.get() as u32
    }

    /// The kind of a [`PayloadKind::code`], `None` for zero.
    #[inline]
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        NonZeroU64::new(u64::from(code)).map(|head| Self(Head(head)))
    }
}

/// A look at a payload, in a message or where it lies in a mailbox.
#[derive(Clone, Copy)]
pub struct PayloadView<'a> {
    /// A pointer, as a short body may have no more than its first words.
    body: *const Body,
    head: Head,
    of: PhantomData<&'a Payload>,
}

impl<'a> PayloadView<'a> {
    /// # Safety
    /// The words came from [`Payload::into_parts`] with this kind, and stay where they are during `'a`; where the kind [is
    /// short](PayloadKind::is_short) only the first of them need be there.
    #[inline]
    pub(crate) unsafe fn of_parts(kind: PayloadKind, words: *const MaybeUninit<u64>) -> Self {
        Self { body: words.cast(), head: kind.0, of: PhantomData }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(self) -> &'a [u8] {
        if let Some(len) = self.head.inline_len() {
            // SAFETY: the head says that the words hold so many bytes.
            return unsafe { std::slice::from_raw_parts(self.body.cast(), len) };
        }
        match (self.shared(), self.as_any_host()) {
            (Some(bytes), _) => bytes,
            // SAFETY: `host` owns the object for as long as the payload is borrowed.
            (None, Some(host)) => unsafe { &*(host.vtable.slice)(host.raw) },
            (None, None) => &[],
        }
    }

    /// At most [`SHORT_MAX`] bytes that are inline, with zeros behind, and how many they are: to copy all of them needs no
    /// call.
    #[must_use]
    #[inline]
    pub fn as_short(self) -> Option<(&'a [u8; SHORT_MAX], usize)> {
        let len = self.head.inline_len().filter(|len| *len <= SHORT_MAX)?;
        // SAFETY: of inline bytes so many are written in any case.
        Some((unsafe { &*self.body.cast() }, len))
    }

    /// The shared buffer the bytes are in, if they are in one.
    #[must_use]
    #[inline]
    pub fn shared(self) -> Option<&'a Bytes> {
        // SAFETY: the head says what the body holds.
        (self.head == Head::SHARED).then(|| unsafe { &*(&raw const (*self.body).shared).cast() })
    }

    /// The host's object, if the payload holds one of type `T`.
    #[must_use]
    #[inline]
    pub fn as_host<T: HostBytes>(self) -> Option<NonNull<()>> {
        let host = self.as_any_host()?;
        (host.vtable.type_id == TypeId::of::<T>()).then_some(host.raw)
    }

    #[inline]
    fn as_any_host(self) -> Option<&'a Host> {
        // SAFETY: the head says what the body holds.
        (self.head == Head::HOST).then(|| unsafe { &*(&raw const (*self.body).host).cast() })
    }
}

impl fmt::Debug for PayloadView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_slice().len())
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        if self.head.inline_len().is_none() {
            self.drop_body();
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        if bytes.len() <= INLINE_MAX { Self::copy_from(&bytes) } else { Self::shared_bytes(bytes) }
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
        self.view().fmt(f)
    }
}
