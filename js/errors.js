// Errors: one class, and the closed list of codes that Rust, Python and Node share.
'use strict'

const { types } = require('node:util')

/** Every `code` an IrisError may have; the names of `iris_core::ErrorKind`. */
const ErrorCode = Object.freeze({
  NoProcess: 'NoProcess',
  MailboxFull: 'MailboxFull',
  NameTaken: 'NameTaken',
  NoSuchName: 'NoSuchName',
  InvalidArgument: 'InvalidArgument',
  LimitReached: 'LimitReached',
  AskTimeout: 'AskTimeout',
  AskFailed: 'AskFailed',
  WouldDeadlock: 'WouldDeadlock',
  RuntimeClosed: 'RuntimeClosed',
  ForkedRuntime: 'ForkedRuntime',
  NoSupervisor: 'NoSupervisor',
  NoSuchBuffer: 'NoSuchBuffer',
  WrongActorKind: 'WrongActorKind',
  NodeDown: 'NodeDown',
  ListenFailed: 'ListenFailed',
  NotPermitted: 'NotPermitted',
})

class IrisError extends Error {
  constructor(code, message, options) {
    super(message, options)
    this.code = code
  }
}
Object.defineProperty(IrisError.prototype, 'name', { value: 'IrisError', configurable: true, writable: true })

function invalid(message) {
  return new IrisError(ErrorCode.InvalidArgument, message)
}

/** What user code threw, as the native side keeps it: type, message and stack with zero characters between. */
function describe(error) {
  try {
    if (types.isNativeError(error) || error instanceof Error) {
      const kind = error.name || error.constructor?.name || 'Error'
      return `${clean(kind)}\0${clean(error.message)}\0${error.stack ?? ''}`
    }
    return `${error === null ? 'null' : typeof error}\0${clean(String(error))}\0`
  } catch {
    return 'Error\0an error that cannot be described\0'
  }
}

function clean(text) {
  return String(text).replaceAll('\0', ' ')
}

module.exports = { ErrorCode, IrisError, describe, invalid }
