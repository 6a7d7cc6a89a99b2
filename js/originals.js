// Originals: what is needed of JavaScript itself, as it was when this was loaded; the fake timers of a test come later.
'use strict'

const { ArrayBuffer, clearTimeout, queueMicrotask, setImmediate, setTimeout } = globalThis
const now = globalThis.performance.now.bind(globalThis.performance)
const { isView } = ArrayBuffer
const isWellFormed = Function.prototype.call.bind(String.prototype.isWellFormed)

module.exports = { clearTimeout, isView, isWellFormed, now, queueMicrotask, setImmediate, setTimeout }
