// Names: names, paths, links and monitors.
'use strict'

const { optionalPid, optionsOf, pidOf, show, textOf } = require('./arguments.js')
const { invalid } = require('./errors.js')
const { core } = require('./key.js')

const names = {
  register(name, pid, options) {
    const { global = false } = optionsOf(options)
    if (typeof global !== 'boolean') throw invalid(`global must be true or false, not ${show(global)}`)
    const [wanted, owner] = [textOf(name, 'name'), pidOf(pid)]
    if (global) this[core].native.registerGlobal(wanted, owner)
    else this[core].native.register(wanted, owner)
  },

  unregister(name) {
    return this[core].native.unregister(textOf(name, 'name'))
  },

  whereis(name) {
    return this[core].native.whereis(textOf(name, 'name')) || null
  },

  resolve(name) {
    return this.whereis(name)
  },

  registerPath(path, pid) {
    this[core].native.registerPath(textOf(path, 'path'), pidOf(pid))
  },

  unregisterPath(path) {
    return this[core].native.unregisterPath(textOf(path, 'path'))
  },

  whereisPath(path) {
    return this[core].native.whereisPath(textOf(path, 'path')) || null
  },

  listChildren(prefix) {
    return this[core].native.listChildren(textOf(prefix, 'prefix'))
  },

  listChildrenDirect(prefix) {
    return this[core].native.listChildrenDirect(textOf(prefix, 'prefix'))
  },

  link(a, b) {
    this[core].native.link(pidOf(a), pidOf(b))
  },

  unlink(a, b) {
    return this[core].native.unlink(pidOf(a), pidOf(b))
  },

  monitor(pid, watcher) {
    const watching = optionalPid(watcher, 'watcher') ?? this.currentPid()
    if (watching === null) throw invalid('outside of a handler a monitor needs a watcher: monitor(pid, watcher)')
    return this[core].native.monitor(pidOf(pid), watching)
  },

  demonitor(monitor) {
    return this[core].native.demonitor(pidOf(monitor, 'monitor'))
  },
}

module.exports = { names }
