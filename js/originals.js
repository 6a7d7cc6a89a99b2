// Originals: what is needed of JavaScript itself, as it was when this was loaded; the fake timers of a test come later.
'use strict'

const { ArrayBuffer, queueMicrotask, setImmediate } = globalThis
const now = globalThis.performance.now.bind(globalThis.performance)
const { isView } = ArrayBuffer

module.exports = { isView, now, queueMicrotask, setImmediate }
