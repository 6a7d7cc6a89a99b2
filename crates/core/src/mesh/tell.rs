//! Tell: a line for whoever operates the node, as an event of `tracing` and in the runtime's log, by the same words.

/// `tell!(shared, LEVEL, "what happened", field = value, ...)`: the runtime, weakly, and values that can be displayed.
macro_rules! tell {
    ($shared:expr, $level:ident, $what:literal, $($field:ident = $value:expr),+ $(,)?) => {{
        ::tracing::event!(::tracing::Level::$level, $($field = %$value,)+ $what);
        if let Some(shared) = $shared.upgrade() {
            let level = crate::log::LogLevel::from(::tracing::Level::$level);
            shared.log.tell(level, $what, &[$((stringify!($field), &$value)),+]);
        }
    }};
}

pub(super) use tell;
