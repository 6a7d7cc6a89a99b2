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
    /// Args:
    ///     global_: whether all members of the mesh find the actor by this name, with `whereis` and whatever takes a name. Of
    ///         several that claim a name at once, who was first keeps it, and the others exit with `NameConflict`. A name that
    ///         an actor of a node has for itself hides the global one there.
    ///
    /// Raises:
    ///     NameTakenError: another live actor has the name.
    ///     NoProcessError: no such actor.
    ///     InvalidArgumentError: a global name, and the node has not joined a mesh.
    #[pyo3(signature = (name, pid, *, global_=false))]
    fn register(&self, name: &str, pid: PidArgument, global_: bool) -> PyResult<()> {
        let core = self.shared.core()?;
        let pid = pid.required()?;
        if global_ { core.register_global(name, pid) } else { core.register(name, pid) }.or_raise()
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
