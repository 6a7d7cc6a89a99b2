// Groups: the methods of NodeRuntime that belong to one noun each are kept in a file each and added here.
'use strict'

/** Adds the methods of `group` to the class, as its own would be: not enumerable. */
function addMethods(runtimeClass, ...groups) {
  for (const group of groups) {
    for (const name of Object.keys(group)) {
      Object.defineProperty(runtimeClass.prototype, name, {
        value: group[name],
        configurable: true,
        enumerable: false,
        writable: true,
      })
    }
  }
}

module.exports = { addMethods }
