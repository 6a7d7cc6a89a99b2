//! Log: what a runtime tells whoever operates it, as lines that wait until they are taken. Bounded, since strangers can
//! cause them; kept only where somebody reads.

use std::fmt::{Display, Write as _};
use std::sync::OnceLock;

use crate::quietly::quietly;
use crate::sync::Mutex;

/// Most lines that wait to be taken; those beyond are counted.
const LINES_WAITING_MAX: usize = 256;
/// Longest line in characters: peers say part of some.
const LINE_LENGTH_MAX: usize = 1024;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug,
    /// What happens in order.
    Info,
    /// Worth a look.
    Warn,
    /// Something does not work.
    Error,
}

impl From<tracing::Level> for LogLevel {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What happened, without line breaks.
    pub text: String,
}

/// See the module documentation.
#[derive(Default)]
pub struct RuntimeLog {
    reader: OnceLock<Box<dyn Fn() + Send + Sync>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<LogLine>,
    /// How many more there were.
    lost: u64,
}

impl RuntimeLog {
    /// Calls `reader` when there are lines, once until they are taken, on any thread; it must not block. From then on
    /// lines are kept. Can be set once; false: it was set already.
    pub fn on_lines(&self, reader: Box<dyn Fn() + Send + Sync>) -> bool {
        self.reader.set(reader).is_ok()
    }

    /// Takes the lines that wait, oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<LogLine> {
        let Waiting { mut lines, lost } = std::mem::take(&mut *self.waiting.lock());
        if lost > 0 {
            let text = format!("{lost} more lines came before these were taken, and were not kept");
            lines.push(LogLine { level: LogLevel::Warn, text });
        }
        lines
    }

    /// Tells what happened, with what is to be known of it.
    pub(crate) fn tell(&self, level: LogLevel, what: &str, fields: &[(&str, &dyn Display)]) {
        let Some(reader) = self.reader.get() else { return };
        let is_first = {
            let mut waiting = self.waiting.lock();
            if waiting.lines.len() < LINES_WAITING_MAX {
                waiting.lines.push(LogLine { level, text: line(what, fields) });
            } else {
                waiting.lost += 1;
            }
            waiting.lines.len() == 1
        };
        if is_first {
            quietly("the reader of a log", reader);
        }
    }
}

impl std::fmt::Debug for RuntimeLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeLog")
            .field("waiting", &self.waiting.lock().lines.len())
            .finish_non_exhaustive()
    }
}

/// `what [name=value name=value]`, on one line whatever the values say.
fn line(what: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut said = what.to_owned();
    for (place, (name, value)) in fields.iter().enumerate() {
        let before = if place == 0 { " [" } else { " " };
        // Writing to a string fails only where a value's own code does.
        let _ = write!(said, "{before}{name}={value}");
    }
    if !fields.is_empty() {
        said.push(']');
    }
    let mut text = String::with_capacity(said.len());
    for char in said.chars().take(LINE_LENGTH_MAX) {
        if char.is_control() { text.extend(char.escape_default()) } else { text.push(char) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{AtomicUsize, Ordering};
    use std::sync::Arc;

    #[test]
    fn lines_are_kept_for_a_reader_who_is_told_once() {
        let log = RuntimeLog::default();
        log.tell(LogLevel::Error, "nobody reads", &[]);
        assert_eq!(log.take(), []);
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        assert!(log.on_lines(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })));
        assert!(!log.on_lines(Box::new(|| {})));
        log.tell(LogLevel::Info, "node up", &[("node", &"a"), ("peer", &"b")]);
        log.tell(LogLevel::Warn, "odd", &[("reason", &"two\nlines\u{7}")]);
        let line = |level, text: &str| LogLine { level, text: text.to_owned() };
        assert_eq!(
            log.take(),
            [
                line(LogLevel::Info, "node up [node=a peer=b]"),
                line(LogLevel::Warn, "odd [reason=two\\nlines\\u{7}]"),
            ]
        );
        assert_eq!(told.load(Ordering::Relaxed), 1);
        log.tell(LogLevel::Debug, "again", &[]);
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn lines_that_nobody_takes_are_counted_and_long_ones_cut() {
        let log = RuntimeLog::default();
        log.on_lines(Box::new(|| {}));
        for _ in 0..LINES_WAITING_MAX + 3 {
            log.tell(LogLevel::Info, "x", &[("y", &"z".repeat(LINE_LENGTH_MAX))]);
        }
        let lines = log.take();
        assert_eq!((lines.len(), lines[0].text.len()), (LINES_WAITING_MAX + 1, LINE_LENGTH_MAX));
        let last = &lines[LINES_WAITING_MAX];
        assert_eq!((last.level, last.text.starts_with("3 more lines")), (LogLevel::Warn, true));
        assert_eq!(log.take(), []);
    }
}
