//! Names and paths: how actors are found.

use iris_core::Pid;
use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::pid::PidArgument;
use crate::runtime::Runtime;

#[pymethods]
impl Runtime {
    /// Give a live actor a name. The name goes when the actor exits.
    ///
    /// Raises:
    ///     NameTakenError: another live actor has the name.
    ///     NoProcessError: no such actor.
    fn register(&self, name: &str, pid: PidArgument) -> PyResult<()> {
        self.shared.core()?.register(name, pid.required()?).or_raise()
    }

    /// Take a name away.
    ///
    /// Returns:
    ///     True if an actor had it.
    fn unregister(&self, name: &str) -> PyResult<bool> {
        Ok(self.shared.core()?.unregister(name))
    }

    /// The pid of the actor that has a name, or `None`.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     pid = rt.spawn_observed_handler()
    ///     ...     rt.register("mail", pid)
    ///     ...     rt.whereis("mail") == pid, rt.whereis("nobody")
    ///     (True, None)
    fn whereis(&self, name: &str) -> PyResult<Option<u64>> {
        Ok(self.shared.core()?.whereis(name).map(Pid::get))
    }

    /// The same as `whereis`.
    fn resolve(&self, name: &str) -> PyResult<Option<u64>> {
        self.whereis(name)
    }

    /// Give a live actor a path such as `/services/mail`. The path goes when the actor exits.
    ///
    /// Raises:
    ///     NameTakenError: another live actor has the path.
    ///     InvalidArgumentError: the path is not well formed.
    fn register_path(&self, path: &str, pid: PidArgument) -> PyResult<()> {
        self.shared.core()?.register_path(path, pid.required()?).or_raise()
    }

    /// Take a path away.
    ///
    /// Returns:
    ///     True if an actor had it.
    fn unregister_path(&self, path: &str) -> PyResult<bool> {
        Ok(self.shared.core()?.unregister_path(path))
    }

    /// The pid of the actor that has a path, or `None`.
    fn whereis_path(&self, path: &str) -> PyResult<Option<u64>> {
        Ok(self.shared.core()?.whereis_path(path).map(Pid::get))
    }

    /// All actors below a path, sorted by path.
    ///
    /// Returns:
    ///     `[(path, pid), ...]`
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     for path in ["/a/b", "/a/b/c", "/ab"]:
    ///     ...         _ = rt.spawn_with_path_observed(100, path)
    ///     ...     [path for path, pid in rt.list_children("/a")]
    ///     ['/a/b', '/a/b/c']
    fn list_children(&self, prefix: &str) -> PyResult<Vec<(String, u64)>> {
        Ok(numbers(self.shared.core()?.list_children(prefix).or_raise()?))
    }

    /// The actors one level below a path, sorted by path.
    fn list_children_direct(&self, prefix: &str) -> PyResult<Vec<(String, u64)>> {
        Ok(numbers(self.shared.core()?.list_children_direct(prefix).or_raise()?))
    }
}

fn numbers(children: Vec<(String, Pid)>) -> Vec<(String, u64)> {
    children.into_iter().map(|(path, pid)| (path, pid.get())).collect()
}
