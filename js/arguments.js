// Arguments: checks that name what is wrong before anything reaches the native side.
'use strict'

const { inspect, types } = require('node:util')

const { invalid } = require('./errors.js')
const { isWellFormed } = require('./originals.js')

/** Messages a turn where none is asked for. */
const BUDGET_DEFAULT = 100
/** The largest number a counted argument may have. */
const COUNT_MAX = 0xffff_ffff
/** The longest time-out of a timer of Node; longer ones would fire at once. */
const TIMEOUT_MS_MAX = 0x7fff_ffff
/** The first pid of an actor of another node. */
const PROXY = 2 ** 52

function show(value) {
  return inspect(value, { depth: 0, breakLength: Infinity })
}

function callable(value, what) {
  if (typeof value !== 'function') throw invalid(`${what} must be a function, not ${show(value)}`)
  return value
}

function count(value, what, least = 1) {
  if (!Number.isInteger(value) || value < least || value > COUNT_MAX) {
    throw invalid(`${what} must be an integer from ${least} to ${COUNT_MAX}, not ${show(value)}`)
  }
  return value
}

function optionalCount(value, what, least = 1) {
  return value === undefined || value === null ? undefined : count(value, what, least)
}

function budgetOf(value) {
  return value === undefined || value === null ? BUDGET_DEFAULT : count(value, 'budget')
}

function pidOf(value, what = 'pid') {
  if (typeof value !== 'number') throw invalid(`${what} must be a number, not ${show(value)}`)
  return value
}

function optionalPid(value, what) {
  return value === undefined || value === null ? undefined : pidOf(value, what)
}

function textOf(value, what) {
  if (typeof value !== 'string') throw invalid(`${what} must be a string, not ${show(value)}`)
  if (!isWellFormed(value)) throw invalid(`${what} must be well-formed Unicode, not ${show(value)}`)
  return value
}

function optionalText(value, what) {
  return value === undefined || value === null ? undefined : textOf(value, what)
}

function milliseconds(value, what) {
  if (typeof value !== 'number' || !(value >= 0) || value > Number.MAX_SAFE_INTEGER) {
    throw invalid(`${what} must be a number of milliseconds of at least 0, not ${show(value)}`)
  }
  return Math.ceil(value)
}

/** A time-out in seconds as milliseconds; undefined where there is none. */
function timeoutOf(seconds, what = 'timeout') {
  if (seconds === undefined || seconds === null || seconds === Infinity) return undefined
  if (typeof seconds !== 'number' || !(seconds >= 0)) {
    throw invalid(`${what} must be a number of seconds of at least 0, not ${show(seconds)}`)
  }
  return Math.min(seconds * 1000, TIMEOUT_MS_MAX)
}

function optionsOf(value, what = 'options') {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object') throw invalid(`${what} must be an object, not ${show(value)}`)
  return value
}

function signalOf(options) {
  const signal = options?.signal
  if (signal === undefined || signal === null) return undefined
  const parts = typeof signal === 'object' ? [signal.addEventListener, signal.removeEventListener] : [undefined]
  if (!parts.every((part) => typeof part === 'function') || typeof signal.aborted !== 'boolean') {
    throw invalid(`signal must be an AbortSignal, not ${show(signal)}`)
  }
  return signal
}

/** Nobody waits for this promise: that it rejects must not end the process. */
function disregard(value) {
  if (types.isPromise(value)) value.then(undefined, () => {})
}

/** What a user's function returned that must answer at once. */
function notPromised(value, who) {
  if (!types.isPromise(value)) return value
  disregard(value)
  throw invalid(`${who} must answer at once, not by a promise`)
}

module.exports = {
  BUDGET_DEFAULT,
  PROXY,
  budgetOf,
  callable,
  count,
  disregard,
  milliseconds,
  notPromised,
  optionalCount,
  optionalPid,
  optionalText,
  optionsOf,
  pidOf,
  show,
  signalOf,
  textOf,
  timeoutOf,
}
