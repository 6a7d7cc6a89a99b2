//! Paths: hierarchical names such as `/services/mail/inbox`, and what lies below one.
//!
//! A sorted map: all that is below `/a` begins with `/a/` and so stands together, and `/a-b` does not.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, Range};
use std::ops::Bound;

use crate::error::{Error, ErrorKind, Result};
use crate::pid::Pid;
use crate::sync::RwLock;

/// Longest path in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 1024;
/// Most segments of a path: deeper than any tree of supervisors, and no walk over it is long.
pub(crate) const PATH_DEPTH_MAX: usize = 64;

/// The paths of one runtime.
#[derive(Default)]
pub(crate) struct Paths(RwLock<BTreeMap<Box<str>, Pid>>);

impl Paths {
    /// Gives a path to an actor; that it has the path already is no error.
    pub(crate) fn register(&self, path: &str, pid: Pid) -> Result<()> {
        let path = normal(path)?;
        if path == "/" {
            return Err(Error::invalid("the root path / belongs to no actor"));
        }
        match self.0.write().entry(path.into()) {
            Entry::Vacant(vacant) => {
                vacant.insert(pid);
                Ok(())
            }
            Entry::Occupied(occupied) if *occupied.get() == pid => Ok(()),
            Entry::Occupied(occupied) => {
                let owner = occupied.get();
                Err(Error::new(ErrorKind::NameTaken, format!("path {path} belongs to actor {owner}")))
            }
        }
    }

    /// Takes a path from an actor; false: it had not the path.
    pub(crate) fn remove(&self, path: &str, pid: Pid) -> bool {
        let Ok(path) = normal(path) else { return false };
        let mut paths = self.0.write();
        let had = paths.get(path) == Some(&pid);
        if had {
            paths.remove(path);
        }
        had
    }

    /// Who has the path.
    pub(crate) fn get(&self, path: &str) -> Option<Pid> {
        let path = normal(path).ok()?;
        self.0.read().get(path).copied()
    }

    /// How many paths there are.
    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    /// All paths below one, sorted.
    pub(crate) fn list_children(&self, prefix: &str) -> Result<Vec<(String, Pid)>> {
        let prefix = beginning(normal(prefix)?);
        let paths = self.0.read();
        let below = from(&paths, &prefix).take_while(|(path, _)| path.starts_with(&*prefix));
        Ok(below.map(|(path, pid)| (path.to_string(), *pid)).collect())
    }

    /// The paths one level below one, sorted. What lies deeper is jumped over, not walked.
    pub(crate) fn list_children_direct(&self, prefix: &str) -> Result<Vec<(String, Pid)>> {
        let prefix = beginning(normal(prefix)?);
        let paths = self.0.read();
        let mut children = Vec::new();
        let mut rest = from(&paths, &prefix);
        while let Some((path, pid)) = rest.next() {
            let Some(below) = path.strip_prefix(&*prefix) else { break };
            match below.find('/') {
                None => children.push((path.to_string(), *pid)),
                Some(end) => {
                    // `0` is the character after `/`: the first that may follow all below this segment.
                    let behind = format!("{}0", &path[..prefix.len() + end]);
                    rest = from(&paths, &behind);
                }
            }
        }
        Ok(children)
    }
}

/// The path as it is kept: without a slash at its end, except for the root.
pub(crate) fn normalised(path: &str) -> Result<String> {
    normal(path).map(str::to_owned)
}

fn normal(path: &str) -> Result<&str> {
    let invalid = |what: &str| Err(Error::invalid(format!("path {path:?} {what}")));
    if path.len() > PATH_BYTES_MAX {
        let length = path.len();
        return Err(Error::invalid(format!("a path has at most {PATH_BYTES_MAX} bytes, not {length}")));
    }
    let Some(segments) = path.strip_prefix('/') else { return invalid("must begin with /") };
    if segments.is_empty() {
        return Ok(path);
    }
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    for (depth, segment) in segments.split('/').enumerate() {
        match segment {
            "" => return invalid("has an empty segment"),
            "." | ".." => return invalid("must not have . or .. as a segment"),
            _ if segment.contains('\0') => return invalid("must not contain NUL"),
            _ if depth >= PATH_DEPTH_MAX => {
                return invalid(&format!("has more than {PATH_DEPTH_MAX} segments"));
            }
            _ => {}
        }
    }
    Ok(&path[..=segments.len()])
}

/// The paths that do not stand before `start`.
fn from<'a>(paths: &'a BTreeMap<Box<str>, Pid>, start: &str) -> Range<'a, Box<str>, Pid> {
    paths.range::<str, _>((Bound::Included(start), Bound::Unbounded))
}

/// What all paths below a normal one begin with.
fn beginning(path: &str) -> Cow<'_, str> {
    if path == "/" { Cow::Borrowed(path) } else { Cow::Owned(format!("{path}/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(index: u32) -> Pid {
        Pid::new(index, 1)
    }

    fn paths(registered: &[&str]) -> Paths {
        let paths = Paths::default();
        for (index, path) in (0..).zip(registered) {
            paths.register(path, pid(index)).unwrap();
        }
        paths
    }

    fn only_paths(found: Result<Vec<(String, Pid)>>) -> Vec<String> {
        found.unwrap().into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn what_is_a_path() {
        let (deepest, deeper) = ("/a".repeat(PATH_DEPTH_MAX), "/a".repeat(PATH_DEPTH_MAX + 1));
        let (longest, longer) =
            (format!("/{}", "x".repeat(PATH_BYTES_MAX - 1)), format!("/{}", "x".repeat(PATH_BYTES_MAX)));
        for (path, expected) in [
            ("/a", Some("/a")),
            ("/a/", Some("/a")),
            ("/a/b c/№", Some("/a/b c/№")),
            ("/a/.../.b", Some("/a/.../.b")),
            ("/", Some("/")),
            (&deepest, Some(&*deepest)),
            (&longest, Some(&*longest)),
            ("", None),
            ("a", None),
            ("a/b", None),
            ("//", None),
            ("/a//b", None),
            ("/a//", None),
            ("/a/./b", None),
            ("/..", None),
            ("/a\0", None),
            (&deeper, None),
            (&longer, None),
        ] {
            let found = normalised(path);
            assert!(found.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::InvalidArgument));
            assert_eq!(found.ok().as_deref(), expected, "{path:?}");
        }
        assert!(Paths::default().register("/", pid(1)).is_err());
    }

    #[test]
    fn a_path_has_one_owner() {
        let paths = paths(&["/a"]);
        assert_eq!(paths.register("/a/", pid(0)), Ok(()));
        assert_eq!(paths.register("/a", pid(1)).unwrap_err().kind(), ErrorKind::NameTaken);
        assert_eq!(
            (paths.get("/a"), paths.get("/a/"), paths.get("/b"), paths.get("a")),
            (Some(pid(0)), Some(pid(0)), None, None)
        );
        assert!(!paths.remove("/a", pid(1)));
        assert!(paths.remove("/a/", pid(0)) && !paths.remove("/a", pid(0)));
        assert_eq!(paths.len(), 0);
    }

    #[test]
    fn what_lies_below() {
        let all = [
            "/a", "/a-b", "/a-b/c", "/a.b", "/a/b", "/a/b-c", "/a/b-c/d", "/a/b/c", "/a/b/c/d", "/a/b0",
            "/a/d/e/f", "/a0", "/ab", "/b/c",
        ];
        let paths = paths(&all);
        let below_a = ["/a/b", "/a/b-c", "/a/b-c/d", "/a/b/c", "/a/b/c/d", "/a/b0", "/a/d/e/f"];
        let direct_root = ["/a", "/a-b", "/a.b", "/a0", "/ab"];
        let cases: [(&str, &[&str], &[&str]); 7] = [
            ("/", &all, &direct_root),
            ("/a", &below_a, &["/a/b", "/a/b-c", "/a/b0"]),
            ("/a/", &below_a, &["/a/b", "/a/b-c", "/a/b0"]),
            ("/a/b", &["/a/b/c", "/a/b/c/d"], &["/a/b/c"]),
            ("/a/d", &["/a/d/e/f"], &[]),
            ("/b", &["/b/c"], &["/b/c"]),
            ("/zzz", &[], &[]),
        ];
        for (prefix, below, direct) in cases {
            assert_eq!(only_paths(paths.list_children(prefix)), below, "below {prefix}");
            assert_eq!(only_paths(paths.list_children_direct(prefix)), direct, "directly below {prefix}");
        }
        for prefix in ["", "a", "//"] {
            assert!(paths.list_children(prefix).is_err() && paths.list_children_direct(prefix).is_err());
        }
    }
}
