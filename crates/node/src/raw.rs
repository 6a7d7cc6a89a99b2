//! Raw N-API: the few calls of the hot path, and a trampoline for functions whose arguments cost nothing to convert.
//!
//! napi-rs spends 60 to 110 ns on a call with arguments, these functions 8 to 25. Everything here runs on the JavaScript
//! thread, inside a callback of the environment it is given.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use iris_core::{Error, ExitReason, Failure, Payload, Pid};
use napi::sys;

pub(crate) use sys::napi_env as Env;
pub(crate) use sys::napi_value as Value;

use crate::parcels::LENGTH_MAX;
use crate::state::State;

/// Strings up to this length are read without measuring them first.
const STRING_INLINE: usize = 256;

/// Arguments a raw function may have.
const ARGUMENTS_MAX: usize = 4;

/// One raw function of a runtime.
pub(crate) trait Function {
    /// How many arguments it reads: N-API takes time for each place, given or not.
    const ARGUMENTS: usize;

    /// Runs it. `Value::null` stands for `undefined`.
    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error>;
}

/// What a raw function was called with; a missing argument is `undefined`.
pub(crate) struct Arguments<'a> {
    pub(crate) env: Env,
    values: &'a [Value],
}

impl Arguments<'_> {
    /// The argument as a number; not a number where it is none.
    #[inline]
    pub(crate) fn number(&self, index: usize) -> f64 {
        let mut number = f64::NAN;
        // SAFETY: a value of the current callback; on failure `number` stays as it is.
        unsafe { sys::napi_get_value_double(self.env, self.values[index], &raw mut number) };
        number
    }

    /// Refuses an argument that is no number.
    pub(crate) fn check_number(&self, index: usize, what: &str) -> Result<(), Error> {
        match type_name(self.env, self.values[index]) {
            "a number" => Ok(()),
            other => Err(Error::invalid(format!("{what} must be a number, not {other}"))),
        }
    }

    /// The argument as a small index that the JavaScript side keeps, such as a slot.
    #[inline]
    pub(crate) fn index(&self, index: usize) -> u32 {
        let mut number = 0;
        // SAFETY: as in `number`.
        unsafe { sys::napi_get_value_uint32(self.env, self.values[index], &raw mut number) };
        number
    }

    /// The argument as a pid that may exist.
    #[inline]
    pub(crate) fn pid(&self, index: usize) -> Option<Pid> {
        pid_of(self.number(index))
    }

    /// The bytes of the argument, copied.
    #[inline]
    pub(crate) fn payload(&self, index: usize) -> Result<Payload, Error> {
        payload_of(self.env, self.values[index])
    }

    /// The bytes of an argument that is a view, a Buffer for example; JavaScript checked that.
    #[inline]
    pub(crate) fn view(&self, index: usize) -> Result<&[u8], Error> {
        view_of(self.env, self.values[index])
    }

    /// The argument as text, empty where it is none.
    pub(crate) fn text(&self, index: usize) -> String {
        text_of(self.env, self.values[index]).unwrap_or_default()
    }

    /// The argument as the failure of user code, see [`failure_of`].
    pub(crate) fn failure(&self, index: usize) -> Failure {
        failure_of(&self.text(index))
    }

    /// As [`Arguments::failure`], as the reason of an exit.
    pub(crate) fn crash(&self, index: usize) -> ExitReason {
        ExitReason::crash(self.failure(index))
    }
}

/// The failure JavaScript described: type, message and stack, with zero characters between.
pub(crate) fn failure_of(text: &str) -> Failure {
    let mut parts = text.splitn(3, '\0').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Failure { kind: next(), message: next(), traceback: next() }
}

/// The pid a number stands for.
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the comparison")]
pub(crate) fn pid_of(number: f64) -> Option<Pid> {
    // By way of `i64`, which the processor converts in one instruction each way.
    let raw = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "a number that loses precision is no pid")]
    #[expect(clippy::float_cmp, reason = "exactness is the question")]
    if raw as f64 == number { Pid::from_u64(raw as u64) } else { None }
}

/// The number of a pid.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "a pid is below 2^52")]
pub(crate) fn number_of(pid: Pid) -> f64 {
    pid.get() as f64
}

/// The bytes of a view, without looking whether it is one.
#[inline]
fn view_of<'a>(env: Env, value: Value) -> Result<&'a [u8], Error> {
    let mut data = ptr::null_mut();
    let mut length = 0;
    // SAFETY: a view of the current callback; its bytes stay where they are until JavaScript runs again.
    let bytes = unsafe {
        sys::napi_get_buffer_info(env, value, &raw mut data, &raw mut length);
        slice_of(data.cast(), length)
    };
    if bytes.len() > LENGTH_MAX { Err(too_long(bytes.len())) } else { Ok(bytes) }
}

#[cold]
fn too_long(length: usize) -> Error {
    Error::invalid(format!("a message has at most {LENGTH_MAX} bytes, not {length}"))
}

/// A copy of the bytes of a Buffer, typed array, DataView, ArrayBuffer, or of a string as UTF-8.
pub(crate) fn payload_of(env: Env, value: Value) -> Result<Payload, Error> {
    let mut is_view = false;
    // SAFETY: a value of the current callback.
    unsafe { sys::napi_is_buffer(env, value, &raw mut is_view) };
    if is_view { Ok(Payload::copy_from(view_of(env, value)?)) } else { payload_of_other(env, value) }
}

#[cold]
fn payload_of_other(env: Env, value: Value) -> Result<Payload, Error> {
    let mut is_array_buffer = false;
    let mut data = ptr::null_mut();
    let mut length = 0;
    // SAFETY: as in `payload_of`.
    unsafe {
        if sys::napi_is_arraybuffer(env, value, &raw mut is_array_buffer) == sys::Status::napi_ok
            && is_array_buffer
            && sys::napi_get_arraybuffer_info(env, value, &raw mut data, &raw mut length)
                == sys::Status::napi_ok
        {
            let bytes = slice_of(data.cast(), length);
            return if length > LENGTH_MAX { Err(too_long(length)) } else { Ok(Payload::copy_from(bytes)) };
        }
    }
    match text_of(env, value) {
        Some(text) if text.len() > LENGTH_MAX => Err(too_long(text.len())),
        Some(text) if text.contains(char::REPLACEMENT_CHARACTER) && !is_well_formed(env, value) => {
            Err(Error::invalid(
                "a message that is a string must be well-formed Unicode: it has half a surrogate pair",
            ))
        }
        Some(text) => Ok(Payload::from(text.into_bytes())),
        None => Err(Error::invalid(format!(
            "a message must be a Buffer, a typed array, an ArrayBuffer or a string, not {}",
            type_name(env, value)
        ))),
    }
}

/// # Safety
/// `data` must point to `length` bytes, unless `length` is zero.
unsafe fn slice_of<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if length == 0 || data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, length) }
}

/// The value as UTF-8, if it is a string.
pub(crate) fn text_of(env: Env, value: Value) -> Option<String> {
    let mut inline = [0u8; STRING_INLINE];
    let mut written = 0;
    // SAFETY: the buffer has the length given; N-API writes at most that, a final zero included.
    unsafe {
        let status = sys::napi_get_value_string_utf8(
            env,
            value,
            inline.as_mut_ptr().cast(),
            STRING_INLINE,
            &raw mut written,
        );
        if status != sys::Status::napi_ok {
            return None;
        }
        // A character of four bytes that did not fit leaves up to four bytes free.
        if written + 5 <= STRING_INLINE {
            return Some(String::from_utf8_lossy(&inline[..written]).into_owned());
        }
        let mut length = 0;
        sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut length);
        let mut bytes = vec![0u8; length + 1];
        sys::napi_get_value_string_utf8(env, value, bytes.as_mut_ptr().cast(), length + 1, &raw mut written);
        bytes.truncate(written);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether a string is Unicode: as UTF-8, what is not has become the replacement character.
fn is_well_formed(env: Env, value: Value) -> bool {
    let mut length = 0;
    // SAFETY: as in `text_of`.
    unsafe {
        sys::napi_get_value_string_utf16(env, value, ptr::null_mut(), 0, &raw mut length);
        let mut units = vec![0u16; length + 1];
        sys::napi_get_value_string_utf16(env, value, units.as_mut_ptr(), length + 1, &raw mut length);
        units.truncate(length);
        char::decode_utf16(units).all(|character| character.is_ok())
    }
}

/// What JavaScript calls the type of a value.
fn type_name(env: Env, value: Value) -> &'static str {
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: a value of the current callback.
    unsafe { sys::napi_typeof(env, value, &raw mut kind) };
    match kind {
        sys::ValueType::napi_undefined => "undefined",
        sys::ValueType::napi_null => "null",
        sys::ValueType::napi_boolean => "a boolean",
        sys::ValueType::napi_number => "a number",
        sys::ValueType::napi_symbol => "a symbol",
        sys::ValueType::napi_function => "a function",
        sys::ValueType::napi_bigint => "a bigint",
        _ => "an object",
    }
}

/// Whether an ArrayBuffer has no memory any more.
#[inline]
pub(crate) fn is_detached(env: Env, array_buffer: Value) -> bool {
    let mut detached = false;
    // SAFETY: a value of the current callback.
    unsafe { sys::napi_is_detached_arraybuffer(env, array_buffer, &raw mut detached) };
    detached
}

/// A number as a JavaScript value.
#[inline]
pub(crate) fn number(env: Env, number: f64) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: the environment of the current callback.
    unsafe { sys::napi_create_double(env, number, &raw mut value) };
    value
}

/// A small integer as a JavaScript value.
#[inline]
pub(crate) fn integer(env: Env, number: i32) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: the environment of the current callback.
    unsafe { sys::napi_create_int32(env, number, &raw mut value) };
    value
}

/// A boolean as a JavaScript value.
#[inline]
pub(crate) fn boolean(env: Env, yes: bool) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: the environment of the current callback.
    unsafe { sys::napi_get_boolean(env, yes, &raw mut value) };
    value
}

/// A text as a JavaScript value.
pub(crate) fn text(env: Env, text: &str) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: the text has the length given; N-API copies it.
    unsafe {
        sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len().cast_signed(), &raw mut value);
    }
    value
}

/// A Buffer with a copy of these bytes, for the places where speed does not matter.
pub(crate) fn buffer(env: Env, bytes: &[u8]) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: the bytes have the length given; N-API copies them.
    unsafe {
        let data = bytes.as_ptr().cast();
        sys::napi_create_buffer_copy(env, bytes.len(), data, ptr::null_mut(), &raw mut value);
    }
    value
}

/// Whether JavaScript takes the value for true.
pub(crate) fn is_true(env: Env, value: Value) -> bool {
    let (mut boolean, mut yes) = (ptr::null_mut(), false);
    // SAFETY: values of the current callback.
    unsafe {
        sys::napi_coerce_to_bool(env, value, &raw mut boolean);
        sys::napi_get_value_bool(env, boolean, &raw mut yes);
    }
    yes
}

/// Throws an instance of the class, made of the name of the error's kind and its message.
#[cold]
pub(crate) fn throw(env: Env, class: Value, error: &Error) {
    let mut js_error = ptr::null_mut();
    // SAFETY: values of the current callback.
    unsafe {
        let arguments = [text(env, error.kind().name()), text(env, error.message())];
        sys::napi_new_instance(env, class, arguments.len(), arguments.as_ptr(), &raw mut js_error);
        sys::napi_throw(env, js_error);
    }
}

/// The number of a timer or monitor.
#[expect(clippy::cast_precision_loss, reason = "such numbers count up from one")]
pub(crate) fn id_number(id: u64) -> f64 {
    id as f64
}

/// The timer or monitor a number stands for.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the comparison")]
pub(crate) fn id_of(number: f64) -> Option<u64> {
    let id = number as u64;
    #[expect(clippy::float_cmp, reason = "exactness is the question")]
    (id_number(id) == number).then_some(id)
}

/// A JavaScript function that runs `F` on this runtime; it keeps the runtime's state alive.
pub(crate) fn function<F: Function>(env: Env, state: &Rc<State>) -> napi::Result<Value> {
    let mut value = ptr::null_mut();
    let data = Rc::into_raw(Rc::clone(state)).cast_mut().cast();
    // SAFETY: `data` is given back by `release` when the function is collected; until then `trampoline` borrows it.
    unsafe {
        napi::check_status!(sys::napi_create_function(
            env,
            ptr::null(),
            0,
            Some(trampoline::<F>),
            data,
            &raw mut value
        ))?;
        napi::check_status!(sys::napi_add_finalizer(
            env,
            value,
            data,
            Some(release),
            ptr::null_mut(),
            ptr::null_mut()
        ))?;
    }
    Ok(value)
}

unsafe extern "C" fn release(_env: Env, data: *mut std::ffi::c_void, _hint: *mut std::ffi::c_void) {
    // SAFETY: `data` came from `Rc::into_raw` in `function`, and Node calls a finalizer once, on the JavaScript thread.
    drop(unsafe { Rc::from_raw(data.cast::<State>()) });
}

unsafe extern "C" fn trampoline<F: Function>(env: Env, info: sys::napi_callback_info) -> Value {
    let mut values = [ptr::null_mut(); ARGUMENTS_MAX];
    let mut count = F::ARGUMENTS;
    let mut data = ptr::null_mut();
    // SAFETY: the array has at least `count` places; what is not given is filled with `undefined`. `data` is the state `function`
    // stored, alive as long as the function that is being called; `ManuallyDrop` leaves its count as it is.
    let state = unsafe {
        sys::napi_get_cb_info(env, info, &raw mut count, values.as_mut_ptr(), ptr::null_mut(), &raw mut data);
        std::mem::ManuallyDrop::new(Rc::from_raw(data.cast::<State>().cast_const()))
    };
    let arguments = Arguments { env, values: &values[..F::ARGUMENTS] };
    match catch_unwind(AssertUnwindSafe(|| F::call(&state, &arguments))) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            throw(env, state.error_class.get(), &error);
            ptr::null_mut()
        }
        Err(_panic) => {
            let error = Error::invalid("the runtime failed inside: what it said is on stderr");
            throw(env, state.error_class.get(), &error);
            ptr::null_mut()
        }
    }
}

/// A reference that keeps a JavaScript value alive; released on the JavaScript thread.
pub(crate) struct Keep {
    env: Env,
    reference: sys::napi_ref,
}

impl Keep {
    pub(crate) fn new(env: Env, value: Value) -> Self {
        let mut reference = ptr::null_mut();
        // SAFETY: a value of the current callback.
        unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) };
        Self { env, reference }
    }

    /// The value, in the current callback's scope.
    pub(crate) fn get(&self) -> Value {
        let mut value = ptr::null_mut();
        // SAFETY: the reference is alive as long as `self`, and `self` never leaves the JavaScript thread.
        unsafe { sys::napi_get_reference_value(self.env, self.reference, &raw mut value) };
        value
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        // SAFETY: made in `new`, deleted once.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}

/// Runs `work` in a scope of its own for the values it makes: without one they live as long as the native call.
pub(crate) fn scoped<R>(env: Env, work: impl FnOnce() -> R) -> R {
    struct Scope(Env, sys::napi_handle_scope);
    impl Drop for Scope {
        fn drop(&mut self) {
            // SAFETY: opened below and closed once; no value of it is given out.
            unsafe { sys::napi_close_handle_scope(self.0, self.1) };
        }
    }
    let mut scope = ptr::null_mut();
    // SAFETY: the environment of the current callback.
    unsafe { sys::napi_open_handle_scope(env, &raw mut scope) };
    let _scope = Scope(env, scope);
    work()
}

/// Calls a JavaScript function with these arguments; `None` leaves its exception pending.
pub(crate) fn call(env: Env, function: Value, arguments: &[Value]) -> Option<Value> {
    let (mut undefined, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: values of the current callback.
    let status = unsafe {
        sys::napi_get_undefined(env, &raw mut undefined);
        sys::napi_call_function(
            env,
            undefined,
            function,
            arguments.len(),
            arguments.as_ptr(),
            &raw mut result,
        )
    };
    (status == sys::Status::napi_ok).then_some(result)
}
