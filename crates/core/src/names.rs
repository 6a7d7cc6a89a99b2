//! Names: which actor has which name. One owner a name; an actor may have several.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::error::{Error, ErrorKind, Result};
use crate::pid::Pid;

/// Longest name in bytes: as long as a path may be, and short enough to appear in a log line.
pub(crate) const NAME_BYTES_MAX: usize = 1024;

/// The names of one runtime.
#[derive(Default)]
pub(crate) struct Names(DashMap<Box<str>, Pid>);

impl Names {
    /// Gives a name to an actor; that it has the name already is no error.
    pub(crate) fn insert(&self, name: &str, pid: Pid) -> Result<()> {
        check(name)?;
        match self.0.entry(name.into()) {
            Entry::Vacant(vacant) => {
                vacant.insert(pid);
                Ok(())
            }
            Entry::Occupied(occupied) if *occupied.get() == pid => Ok(()),
            Entry::Occupied(occupied) => {
                let owner = occupied.get();
                Err(Error::new(ErrorKind::NameTaken, format!("name {name:?} belongs to actor {owner}")))
            }
        }
    }

    /// Takes a name from an actor; false: it had not the name.
    pub(crate) fn remove(&self, name: &str, pid: Pid) -> bool {
        self.0.remove_if(name, |_, owner| *owner == pid).is_some()
    }

    /// Who has the name.
    pub(crate) fn get(&self, name: &str) -> Option<Pid> {
        self.0.get(name).map(|owner| *owner)
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn check(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("a name must not be empty"));
    }
    if name.len() > NAME_BYTES_MAX {
        let length = name.len();
        return Err(Error::invalid(format!("a name has at most {NAME_BYTES_MAX} bytes, not {length}")));
    }
    if name.contains('\0') {
        return Err(Error::invalid(format!("name {name:?} must not contain NUL")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_owner() {
        let (names, first, second) = (Names::default(), Pid::new(1, 1), Pid::new(2, 1));
        assert_eq!(names.insert("mail", first), Ok(()));
        assert_eq!(names.insert("mail", first), Ok(()));
        assert_eq!(names.insert("post", first), Ok(()));
        let error = names.insert("mail", second).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
        assert_eq!(error.message(), format!("name \"mail\" belongs to actor {first}"));
        assert_eq!((names.get("mail"), names.get("Mail"), names.len()), (Some(first), None, 2));
        assert!(!names.remove("mail", second));
        assert!(names.remove("mail", first) && !names.remove("mail", first));
        assert_eq!(names.insert("mail", second), Ok(()));
        assert_eq!(names.get("mail"), Some(second));
    }

    #[test]
    fn what_is_a_name() {
        let (longest, longer) = ("x".repeat(NAME_BYTES_MAX), "x".repeat(NAME_BYTES_MAX + 1));
        for (name, expected) in [
            ("a", true),
            ("post office/№ 1\n", true),
            (&longest, true),
            ("", false),
            (&longer, false),
            ("a\0b", false),
        ] {
            let inserted = Names::default().insert(name, Pid::new(1, 1));
            assert_eq!(inserted.is_ok(), expected, "{name:?}");
            assert!(inserted.err().is_none_or(|error| error.kind() == ErrorKind::InvalidArgument));
        }
    }
}
