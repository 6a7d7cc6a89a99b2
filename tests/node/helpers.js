// Helpers of the tests: runtimes that are closed after each test, and waiting without sleeping.
'use strict'

const { NodeRuntime } = require('../..')

/** How long a test waits for anything. */
const DEADLINE_MS = 10_000

const opened = []

/** A runtime of the test's own; failures of its actors are collected in `failures`. */
function open(options = {}) {
  const failures = []
  const logger = { error: (message, error) => failures.push({ message, error }) }
  const rt = new NodeRuntime({ logger, ...options })
  opened.push(rt)
  return Object.assign(rt, { failures })
}

/** Closes what a test opened; an actor that outlives its runtime fails the test. */
async function closeAll() {
  for (const rt of opened.splice(0)) {
    const { unfinished } = rt.closed ? { unfinished: [] } : await rt.shutdown(0)
    expect(unfinished).toEqual([])
  }
}

/** Lets the event loop turn until `look` returns something true, and returns that. */
async function eventually(look, what) {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const seen = look()
    if (seen) return seen
    if (performance.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms in vain for ${what}`)
    await turn()
  }
}

/** One turn of the event loop. */
function turn() {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A promise with its resolvers. */
function deferred() {
  let resolve
  let reject
  const promise = new Promise((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** An actor that collects what it gets as strings. */
function collector(rt, ...args) {
  const got = []
  const pid = rt.spawn((message) => void got.push(String(message)), ...args)
  return { pid, got }
}

module.exports = { closeAll, collector, deferred, eventually, open, turn }
